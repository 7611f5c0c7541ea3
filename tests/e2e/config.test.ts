/** What an image says about how to run it, and how the command line changes that. */

import { beforeAll, describe, expect, test } from "bun:test";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import type { Entry } from "../setup/tar.ts";
import { Box, registry } from "./harness.ts";

const box = new Box();
const path = "PATH=/bin";

/** Pushes an image with this config on busybox; returns its reference. */
async function image(name: string, config: Record<string, unknown>, entries: Entry[] = []) {
  const layers = [busyboxLayer(), ...(entries.length > 0 ? [layer(entries)] : [])];
  await pushImage(registry, `${name}:1`, layers, { config });
  return `${registry}/${name}:1`;
}

describe("Entrypoint and Cmd", () => {
  let both = "";

  beforeAll(async () => {
    both = await image("both", { Env: [path], Entrypoint: ["echo", "entry"], Cmd: ["cmd"] });
  });

  test("run together, and arguments replace Cmd only", async () => {
    expect(await box.output(both)).toBe("entry cmd");
    expect(await box.output(both, "mine")).toBe("entry mine");
  });

  test("--entrypoint drops both", async () => {
    expect(await box.output("--entrypoint", "echo", both)).toBe("");
    expect(await box.output("--entrypoint", "", both, "echo", "only me")).toBe("only me");
  });

  test("an image without either, run without arguments, is one line and 125", async () => {
    const none = await image("none", { Env: [path] });
    const message = await box.failure(125, ["run", "-q", none]);
    expect(message).toMatch(/command|program/i);
  });
});

describe("Env, WorkingDir and User", () => {
  test("Env is the container's environment, and PATH has docker's default", async () => {
    const env = await image("env", { Env: ["A=b", "EMPTY="] });
    const text = await box.output(env, "/bin/env");
    expect(text.split("\n")).toEqual(expect.arrayContaining(["A=b", "EMPTY="]));
    expect(text).toMatch(/^PATH=\/usr\/local\/sbin:/m);
  });

  test("a WorkingDir that the image lacks is made (H-17)", async () => {
    const work = await image("work", { Env: [path], WorkingDir: "/srv/app/data" });
    expect(await box.output(work, "pwd")).toBe("/srv/app/data");
    expect(await box.output("-w", "/bin", work, "pwd")).toBe("/bin");
  });

  test("User is looked up in the image's own files, rootless too (H-17)", async () => {
    const files: Entry[] = [
      { name: "etc/passwd", data: "root:x:0:0::/:/bin/sh\napp:x:1500:1600::/home/app:/bin/sh\n" },
      { name: "etc/group", data: "root:x:0:\napp:x:1600:\nextra:x:1700:app\n" },
      { name: "home/app/", uid: 1500, gid: 1600, mode: 0o700 },
      { name: "home/app/own", uid: 1500, gid: 1600, mode: 0o600, data: "secret" },
    ];
    const app = await image("user", { Env: [path], User: "app" }, files);
    const script = "id -u; id -g; id -G; echo $HOME; cat ~/own";
    const lines = (await box.output(app, "sh", "-c", script)).split("\n");
    expect(lines.slice(0, 2)).toEqual(["1500", "1600"]);
    expect(lines[2]?.split(" ").sort()).toEqual(["1600", "1700"]);
    expect(lines.slice(3)).toEqual(["/home/app", "secret"]);
    expect(await box.output("-u", "0", app, "id", "-u")).toBe("0");
  });

  test("a User that the image lacks is one line and 125", async () => {
    const ghost = await image("ghost", { Env: [path], User: "ghost" });
    expect(await box.failure(125, ["run", "-q", ghost, "id"])).toContain("ghost");
  });
});

describe("Volumes", () => {
  test("are there, writable, with the image's own content", async () => {
    const entries: Entry[] = [{ name: "data/" }, { name: "data/seed", data: "seed" }];
    const volumes = { "/data": {}, "/made/here": {} };
    const vol = await image("vol", { Env: [path], Volumes: volumes }, entries);
    const script = "cat /data/seed; : > /data/x && : > /made/here/y && ls /data /made";
    expect(await box.output(vol, "sh", "-c", script)).toBe("seed/data:\nseed\nx\n\n/made:\nhere");
  });
});

describe("Labels", () => {
  test("are in inspect as the image has them", async () => {
    const labelled = await image("labelled", { Env: [path], Labels: { "a.b/c": "d e" } });
    await box.output(labelled, "true");
    const { stdout } = await box.hb(["inspect", labelled]);
    expect(stdout).toContain('"a.b/c": "d e"');
  });
});

describe("the root directory", () => {
  test("has mode 755 whatever the caller's umask is (H-17)", async () => {
    const bare = await image("bare", { Env: [path] });
    await box.output(bare, "true");
    const hb = [process.env.HB_TEST_BIN ?? "hb", "run", bare, "sh", "-c", "stat -c %a /; umask"];
    const run = await box.command(["sh", "-c", 'umask 077; exec "$@"', "sh", ...hb]);
    expect(run).toEqual({ status: 0, stdout: "755\n0022\n", stderr: "" });
  });
});

box.leavesNothingBehind();
