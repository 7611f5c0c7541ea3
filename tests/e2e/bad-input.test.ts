/** Command lines and machines that are wrong: one line, the right status, nothing left behind. */

import { beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Box, busybox, hbBinary, rootlessTest, rootTest } from "./harness.ts";

const box = new Box();

beforeAll(async () => {
  await box.hb(["pull", "-q", busybox]);
});

describe("the command line", () => {
  test.each([
    [["rnu"], "run"],
    [["run", "--entrypont", "x", busybox], "--entrypoint"],
    [["run", "-Z", busybox], "-Z"],
    [["pull", "--al", busybox], "--al"],
    [["images", "--format", "xml"], "xml"],
    [["run", "--pull", "sometimes", busybox], "sometimes"],
    [["run", "--gpus", "all", busybox], "gpus"],
    [["run", "-e"], "-e"],
    [["run"], "image"],
    [["rmi"], "image"],
    [["spec", busybox], "directory"],
    [["help", "rnu"], "run"],
    [["run", "--shm-size", "big", busybox, "true"], "big"],
    [["run", "-w", "relative", busybox, "true"], "relative"],
    [["run", "-h", "a b", busybox, "true"], "a b"],
  ])("%j is 125 and names %s", async (args, part) => {
    expect(await box.failure(125, args)).toContain(part);
  });

  test("output on a full disk is one line, and no defect", async () => {
    const result = await box.command(["sh", "-c", `"$0" images > /dev/full`, hbBinary]);
    expect(result).toMatchObject({ status: 1, stdout: "" });
    expect(result.stderr).toMatch(/^hb: Cannot write the output: .*no space left.*\n$/);
  });

  test("no arguments at all give help", async () => {
    const run = await box.hb([]);
    expect(run.stdout).toContain("hb run");
  });

  test("a closed standard output or error is no reason to hang or to print a stack", async () => {
    const script = '"$0" images >&-; "$0" run "$1" no-such-program 2>&-; echo $?';
    const run = await box.command(["sh", "-c", script, hbBinary, busybox]);
    expect(run.stdout).toEndWith("127\n");
    expect(run.stderr).not.toContain("    at ");
  });
});

describe("the store", () => {
  test("a store whose place cannot be made is named", async () => {
    writeFileSync(box.path("plain"), "");
    const env = { HB_ROOT: box.path("plain", "store") };
    const message = await box.failure(1, ["pull", "-q", busybox], { env });
    expect(message).toContain(box.path("plain"));
  });

  rootlessTest("a store that may not be written is named", async () => {
    mkdirSync(box.path("locked"));
    chmodSync(box.path("locked"), 0o555);
    const env = { HB_ROOT: box.path("locked", "store") };
    const message = await box.failure(1, ["pull", "-q", busybox], { env });
    expect(message).toContain("locked");
    chmodSync(box.path("locked"), 0o755);
  });

  rootTest("a full disk is said so, and nothing half done stays", async () => {
    const small = box.path("small");
    mkdirSync(small);
    const mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", small];
    expect((await box.command(mount)).status).toBe(0);
    try {
      const env = { HB_ROOT: join(small, "store") };
      const message = await box.failure(1, ["pull", "-q", busybox], { env });
      expect(message).toMatch(/space/i);
      expect(readdirSync(join(small, "store", "tmp"))).toEqual([]);
      expect(readdirSync(join(small, "store", "layers"))).toEqual([]);
    } finally {
      await box.command(["umount", small]);
    }
  });

  test("a store path with spaces, colons and commas works (H-4)", async () => {
    const env = { HB_ROOT: box.path("a b:c,d\\e") };
    const run = await box.hb(["run", "-q", busybox, "echo", "fine"], { env });
    expect(run).toEqual({ status: 0, stdout: "fine\n", stderr: "" });
    await box.hb(["clean", "--all"], { env });
  });

  test("a store path of more than 255 bytes works", async () => {
    const env = { HB_ROOT: box.path("d".repeat(200), "e".repeat(200)) };
    const run = await box.hb(["run", "-q", busybox, "echo", "fine"], { env });
    expect(run).toEqual({ status: 0, stdout: "fine\n", stderr: "" });
    await box.hb(["clean", "--all"], { env });
  });
});

describe("the caller's directory", () => {
  test("configures nothing: .env, bunfig.toml and package.json are ignored", async () => {
    const folder = box.path("cloned");
    mkdirSync(folder);
    writeFileSync(`${folder}/evil.ts`, "console.log('EVIL'); process.exit(66);");
    writeFileSync(`${folder}/bunfig.toml`, 'preload = ["./evil.ts"]\n');
    writeFileSync(`${folder}/.env`, "HB_ROOT=/nonexistent\nBUN_OPTIONS=--preload ./evil.ts\n");
    writeFileSync(`${folder}/tsconfig.json`, "{ broken");
    writeFileSync(`${folder}/package.json`, "{ broken");
    const run = await box.hb(["run", "-q", busybox, "echo", "fine"], { cwd: folder });
    expect(run).toEqual({ status: 0, stdout: "fine\n", stderr: "" });
  });

  test("may be gone: one line says so", async () => {
    const folder = box.path("vanishing");
    const script = 'mkdir "$2"; cd "$2"; rmdir "$2"; exec "$0" run -q "$1" echo fine';
    const run = await box.command(["sh", "-c", script, hbBinary, busybox, folder]);
    expect(run).toMatchObject({ status: 1, stdout: "" });
    expect(run.stderr).toMatch(/^[^\n]*directory was deleted[^\n]*\n$/);
  });
});

describe("less of a machine (H-22)", () => {
  rootTest("without a range one id is mapped, and one notice says what to do", async () => {
    // A user that nobody has heard of has no subordinate ids.
    const own = box.path("own");
    mkdirSync(own);
    await box.command(["cp", hbBinary, box.path("hb")]);
    await box.command(["chmod", "755", box.folder]);
    await box.command(["chown", "4242:4242", own]);
    const env = { HB_ROOT: join(own, "store"), HOME: own, TMPDIR: own };
    const user = ["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"];
    const script = "cat /proc/self/uid_map; id -u";
    const hb = [...user, box.path("hb"), "run", "-q", busybox, "sh", "-c", script];
    const run = await box.command(hb, { env });
    expect(run.stdout.trim().split(/\s+/)).toEqual(["0", "4242", "1", "0"]);
    const notices = run.stderr.trim().split("\n");
    expect(notices.filter((line) => /subuid/.test(line))).toHaveLength(1);
  });

  rootlessTest("without user namespaces the sysctl is named", async () => {
    // In a namespace of our own the limit can be set; without capabilities hb is no root there.
    const script =
      "echo 0 > /proc/sys/user/max_user_namespaces; " +
      'exec setpriv --bounding-set=-all --inh-caps=-all "$0" run -q "$1" true';
    const outer = ["unshare", "--user", "--map-root-user", "sh", "-c", script];
    const run = await box.command([...outer, hbBinary, busybox]);
    expect(run).toMatchObject({ status: 125, stdout: "" });
    expect(run.stderr).toMatch(/^hb: (?!notice)[^\n]*sysctl[^\n]*max_user_namespaces[^\n]*\n/m);
  });
});

box.leavesNothingBehind();
