/** Where the helper runs from when this machine executes nothing from memory. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { asTestUser, ensureTestUser, testUser } from "../setup/user.ts";
import { Box, hbBinary, isRoot, rootTest } from "./harness.ts";

const box = new Box();
const memfdNoexec = "/proc/sys/vm/memfd_noexec";
// The switch belongs to the pid namespace.
const switchTest = existsSync(memfdNoexec) || !isRoot ? rootTest : (test.skip as typeof test);

/** Of the ordinary user, who cannot enter the box. */
let folder = "";

beforeAll(() => {
  if (!isRoot) return;
  ensureTestUser();
  folder = mkdtempSync("/var/tmp/hb-helper-");
  copyFileSync(hbBinary, join(folder, "hb"));
  Bun.spawnSync(["chown", "-R", testUser, folder]);
});

afterAll(() => {
  if (folder !== "") rmSync(folder, { recursive: true });
});

/** `argv` in a pid namespace in which no memfd may be executed; the machine is left as it is. */
function withoutMemory(argv: readonly string[]) {
  const script = `echo 2 > ${memfdNoexec}; exec "$@"`;
  const inside = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script, "sh"];
  return box.command([...inside, ...argv]);
}

function asUser(...args: string[]) {
  const store = join(folder, "store");
  const { PATH = "" } = process.env;
  const env = { PATH, HOME: folder, HB_ROOT: store };
  return withoutMemory(asTestUser(env, [join(folder, "hb"), ...args]));
}

function helperFile(): string {
  const helpers = join(folder, "store/helper");
  const names = readdirSync(helpers);
  expect(names).toHaveLength(1);
  return join(helpers, names[0] ?? "", "hb-init");
}

describe("with vm.memfd_noexec=2", () => {
  switchTest(
    "an ordinary user's container runs by a file of the store, with one notice",
    async () => {
      const run = await asUser("run", "hello");
      expect(run).toMatchObject({ status: 0, stdout: expect.stringContaining("Hello") });
      expect(run.stderr).toMatch(/^hb: notice: [^\n]*memfd_noexec is 2[^\n]*\n$/);
      expect(statSync(helperFile()).mode & 0o777).toBe(0o500);
      expect(readdirSync(join(folder, "store/tmp"))).toEqual([]);
      expect(readdirSync(join(folder, "store/containers"))).toEqual([]);
    },
  );

  switchTest("a file that was changed is replaced before it is used", async () => {
    const before = statSync(helperFile());
    chmodSync(helperFile(), 0o700);
    appendFileSync(helperFile(), "x");
    expect(await asUser("run", "hello")).toMatchObject({ status: 0 });
    const after = statSync(helperFile());
    expect(after.size).toBe(before.size);
    expect(after.mode & 0o777).toBe(0o500);
    expect(after.ino).not.toBe(before.ino);
  });

  switchTest("doctor names the rung and its remedy", async () => {
    const { stdout, stderr } = await asUser("doctor");
    expect(stdout).toMatch(/^! helper .*hb-init.*\n.*sysctl vm\.memfd_noexec=1$/m);
    expect(stdout + stderr).not.toContain("defect");
  });

  switchTest("root gets no such file: hb says in one line what to switch", async () => {
    const { status, stderr } = await withoutMemory([hbBinary, "run", "hello"]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/^hb: [^\n]*memfd_noexec is 2[^\n]*sysctl vm\.memfd_noexec=1\n$/);
    expect(existsSync(join(box.store, "helper"))).toBe(false);
  });
});

box.leavesNothingBehind();
