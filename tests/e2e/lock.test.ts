/** `hb lock` and `--locked`: an image stays what it was, or the command fails. */

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { hostArchitecture, layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, registry } from "./harness.ts";

const box = new Box();
const image = `${registry}/locked:1`;
const other = `${registry}/locked:2`;

function push(tag: string, word: string) {
  const layers = [busyboxLayer(), layer([{ name: "word", data: word }])];
  return pushImage(registry, `locked:${tag}`, layers, { config: { Env: ["PATH=/bin"] } });
}

const lockText = () => readFileSync(box.path("hb.lock"), "utf8");

describe("hb lock", () => {
  test("writes the same file for the same images, and keeps what is not named", async () => {
    const { digest } = await push("1", "one");
    await push("2", "two");
    expect(await box.hb(["lock", other])).toMatchObject({ status: 0, stderr: "" });
    const locked = await box.hb(["lock", image]);
    expect(locked).toMatchObject({ status: 0, stdout: `${image} ${digest}\n` });
    const { images } = JSON.parse(lockText());
    expect(Object.keys(images)).toEqual([image, other]);
    const platforms = { [`linux/${hostArchitecture}`]: digest };
    expect(images[image]).toEqual({ digest, platforms });
    const before = lockText();
    expect((await box.hb(["lock", "-q"])).stdout).toBe("");
    expect(lockText()).toBe(before);
  });

  test("leaves the file alone where it fails, and needs something to lock", async () => {
    const before = lockText();
    expect(await box.failure(1, ["lock", `${registry}/absent:1`])).toContain("absent:1");
    expect(lockText()).toBe(before);
    expect(await box.failure(125, ["lock", "-f", "empty.lock"])).toContain("needs an image");
    expect(readdirSync(box.path()).filter((name) => /\.lock/.test(name))).toEqual(["hb.lock"]);
  });
});

describe("--locked", () => {
  const word = (...flags: string[]) => box.output(...flags, image, "cat", "/word");

  test("runs, pulls and creates the image that was locked although its tag has moved", async () => {
    await push("1", "moved");
    expect(await word()).toBe("moved");
    expect(await word("--locked")).toBe("one");
    expect(await word("--locked=hb.lock")).toBe("one");
    expect(await word("--locked", "--pull", "never")).toBe("one");
    expect(await word("--pull", "never")).toBe("moved");
    const { digest } = JSON.parse(lockText()).images[image];
    expect((await box.hb(["pull", "-q", "--locked", image])).stdout).toBe(`${digest}\n`);
    const made = ["create", "-q", "--locked", "--name", "fixed", image, "cat", "/word"];
    expect((await box.hb(made)).status).toBe(0);
    expect((await box.hb(["start", "-a", "fixed"])).stdout).toBe("one");
    expect((await box.hb(["rm", "fixed"])).status).toBe(0);
  });

  test("fails in one line on what is not in the file, and without one", async () => {
    const absent = `${registry}/busybox:1`;
    expect(await box.failure(125, ["run", "--locked", absent, "true"])).toContain("hb lock");
    expect(await box.failure(1, ["pull", "--locked", absent])).toContain('not in "hb.lock"');
    expect(await box.failure(125, ["run", "--locked", "hello"])).toContain("hello");
    const nowhere = ["run", "--locked=none.lock", image, "true"];
    expect(await box.failure(125, nowhere)).toContain('no lock file "none.lock"');
  });
});

box.leavesNothingBehind();
