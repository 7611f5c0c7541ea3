/** Command lines and machines that are wrong: one line, the right status, nothing left behind. */

import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { Box, busybox, hbBinary, isRoot, rootlessTest, rootTest } from "./harness.ts";

const box = new Box();

describe("the command line", () => {
  test.each([
    [["rnu"], "run"],
    [["run", "--entrypont", "x", busybox], "--entrypoint"],
    [["run", "-Z", busybox], "-Z"],
    [["pull", "--al", busybox], "--al"],
    [["images", "--format", "xml"], "xml"],
    [["run", "--pull", "sometimes", busybox], "sometimes"],
    [["run", "-d", busybox], "detach"],
    [["run", "-e"], "-e"],
    [["run"], "image"],
    [["rmi"], "image"],
    [["spec", busybox], "directory"],
    [["help", "rnu"], "run"],
    [["run", "--platform", "linux", busybox, "true"], "linux"],
    [["run", "--shm-size", "big", busybox, "true"], "big"],
    [["run", "-w", "relative", busybox, "true"], "relative"],
    [["run", "-h", "a b", busybox, "true"], "a b"],
  ])("%j is 125 and names %s", async (args, part) => {
    expect(await box.failure(125, args)).toContain(part);
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
    mkdirSync(box.path("small"));
    const mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", box.path("small")];
    expect((await box.command(mount)).status).toBe(0);
    const env = { HB_ROOT: box.path("small", "store") };
    const message = await box.failure(1, ["pull", "-q", busybox], { env });
    expect(message).toMatch(/space/i);
    expect((await box.command(["find", box.path("small"), "-path", "*/tmp/*"])).stdout).toBe("");
    await box.command(["umount", box.path("small")]);
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
  test("configures nothing: .env, bunfig.toml, package.json and tsconfig.json are ignored", async () => {
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

  test("may be gone", async () => {
    const folder = box.path("vanishing");
    const script = 'mkdir "$2"; cd "$2"; rmdir "$2"; exec "$0" run -q "$1" echo fine';
    const run = await box.command(["sh", "-c", script, hbBinary, busybox, folder]);
    expect(run).toMatchObject({ status: 0, stdout: "fine\n" });
  });
});

describe("less of a machine", () => {
  rootlessTest(
    "without newuidmap one id is mapped, and one notice says what to do (H-22)",
    async () => {
      const folder = box.path("bin");
      mkdirSync(folder);
      for (const name of ["sh", "true"]) await box.command(["ln", "-s", `/bin/${name}`, folder]);
      const env = { PATH: folder, HB_ROOT: box.path("single") };
      const run = await box.hb(["run", "-q", busybox, "cat", "/proc/self/uid_map"], { env });
      expect(run.status).toBe(0);
      expect(run.stdout.trim().split(/\s+/)).toEqual(["0", String(process.getuid?.()), "1"]);
      const notices = run.stderr.trim().split("\n");
      expect(notices.filter((line) => /uidmap/.test(line))).toHaveLength(1);
      await box.hb(["clean", "--all"], { env });
    },
  );

  rootTest("without user namespaces the sysctl is named, for an ordinary user", async () => {
    const limit = "/proc/sys/user/max_user_namespaces";
    if (!existsSync(limit)) return;
    const before = (await Bun.file(limit).text()).trim();
    const user = box.path("nobody");
    mkdirSync(user);
    await box.command(["chmod", "-R", "a+rx", box.folder]);
    await box.command(["chown", "nobody", user]);
    await box.command(["cp", hbBinary, box.path("hb")]);
    const env = ["env", "-i", `PATH=${process.env.PATH}`, `HOME=${user}`, `HB_ROOT=${user}/store`];
    const as = ["setpriv", "--reuid", "nobody", "--clear-groups", ...env];
    try {
      await Bun.write(limit, "0");
      const run = await box.command([...as, box.path("hb"), "run", "-q", busybox, "true"]);
      expect(run.status).toBe(125);
      expect(run.stderr).toContain("user.max_user_namespaces");
    } finally {
      await Bun.write(limit, before);
    }
    expect(isRoot).toBe(true);
  });
});

box.leavesNothingBehind();
