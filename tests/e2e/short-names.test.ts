/** Names without a registry, where registries.conf gives them another one: in every command. */

import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, registry } from "./harness.ts";

const box = new Box();
const config = { Env: ["PATH=/bin"], Cmd: ["cat", "/who"] };
const home = box.path("person");
const folder = `${home}/.config/containers/registries.conf.d`;
const text = `[aliases]
"tool" = "${registry}/team/tool"
"hello" = "${registry}/team/tool"
`;
const full = `${registry}/team/tool`;

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/aliases.conf`, text);
  for (const tag of ["latest", "2"]) {
    const own = layer([{ name: "who", data: `tool ${tag}\n` }]);
    await pushImage(registry, `team/tool:${tag}`, [busyboxLayer(), own], { config });
  }
});

function hb(...args: string[]) {
  return box.hb(args, { env: { HOME: home } });
}

describe("an alias is obeyed", () => {
  test("by a run, which says so when it pulls and not again", async () => {
    const first = await hb("run", "-q", "tool");
    const notice = `hb: notice: "tool" is ${full}:latest by an alias in ${folder}/aliases.conf\n`;
    expect(first).toEqual({ status: 0, stdout: "tool latest\n", stderr: notice });
    expect(await hb("run", "-q", "tool")).toEqual({ ...first, stderr: "" });
  });

  test("by pull, images, inspect and history", async () => {
    const pulled = await hb("pull", "tool:2");
    expect(pulled.stdout).toEndWith(`\n${full}:2\n`);
    expect(pulled.stderr).toContain('"tool:2" is');
    const { stdout } = await hb("images", "--format", "{{.Repository}}:{{.Tag}}", "tool");
    expect(stdout.trim().split("\n").sort()).toEqual([`${full}:2`, `${full}:latest`]);
    const inspected = await hb("inspect", "--format", "{{.RepoTags}}", "tool:2");
    expect(inspected.stdout).toContain(`${full}:2`);
    expect((await hb("history", "-q", "tool")).status).toBe(0);
  });

  test("by tag, push, tags and manifest inspect", async () => {
    expect(await hb("tag", "tool:2", "tool:3")).toMatchObject({ status: 0 });
    const pushed = await hb("push", "-q", "tool:3");
    expect(pushed).toMatchObject({ status: 0, stderr: "" });
    expect((await hb("tags", "tool")).stdout.split("\n")).toContain("3");
    expect((await hb("manifest", "inspect", "tool:3")).status).toBe(0);
  });

  test("by lock, whose file has the name that it stands for", async () => {
    const file = box.path("hb.lock");
    const flags = ["--file", file, "-q"];
    expect(await hb("lock", ...flags, "tool")).toMatchObject({ status: 0 });
    expect(Object.keys(JSON.parse(readFileSync(file, "utf8")).images)).toEqual([`${full}:latest`]);
    expect((await hb("run", "-q", `--locked=${file}`, "tool")).stdout).toBe("tool latest\n");
  });

  test("by rmi", async () => {
    const { stdout } = await hb("rmi", "tool:3");
    expect(stdout).toContain(`Untagged: ${full}:3`);
  });
});

describe("an image that is listed under the short name", () => {
  test("is found by it where the alias has none", async () => {
    await box.hb(["tag", full, "tool:9"]);
    const found = await hb("inspect", "--format", "{{.RepoTags}}", "tool:9");
    expect(found.stdout).toContain("tool:9");
    expect((await hb("images", "-q", "tool:9")).stdout).not.toBe("");
    expect((await hb("rmi", "tool:9")).stdout).toContain("Untagged: tool:9\n");
  });

  test("is not what a run means", async () => {
    await box.hb(["tag", full, "tool:9"]);
    const { status, stderr } = await hb("run", "--pull", "never", "tool:9");
    expect({ status, stderr }).toEqual({
      status: 125,
      stderr: expect.stringContaining(`${full}:9`),
    });
    await box.hb(["rmi", "tool:9"]);
  });
});

test("hello stays what is inside hb", async () => {
  expect((await hb("run", "hello")).stdout).toContain("hb");
  expect((await hb("rmi", "hello")).status).toBe(0);
});

test("no file is written", () => {
  expect(readdirSync(home, { recursive: true }).sort()).toEqual([
    ".config",
    ".config/containers",
    ".config/containers/registries.conf.d",
    ".config/containers/registries.conf.d/aliases.conf",
  ]);
  expect(readFileSync(`${folder}/aliases.conf`, "utf8")).toBe(text);
  rmSync(home, { recursive: true });
});

box.leavesNothingBehind();
