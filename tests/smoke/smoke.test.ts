/** First failures in seconds: the built hb starts, and runs its own image isolated. */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");
const hb = join(root, "dist/hb");
const folder = mkdtempSync("/var/tmp/hb-smoke-");
const env = { PATH: process.env.PATH ?? "", HOME: folder, HB_ROOT: join(folder, "store") };

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(...args: string[]) {
  const child = Bun.spawn([hb, ...args], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { status: await child.exited, stdout, stderr };
}

describe("the executable", () => {
  test("says its version", async () => {
    const { version } = await Bun.file(join(root, "package.json")).json();
    expect(await run("version")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(version),
    });
  });

  test("has a helper of less than a megabyte", () => {
    expect(statSync(join(root, "dist/embed/hb-init")).size).toBeLessThan(1 << 20);
  });
});

describe("hb run hello", () => {
  test("reports the isolation it got, and nothing promised is missing", async () => {
    const { status, stdout, stderr } = await run("run", "hello");
    expect({ status, stdout, stderr }).toMatchObject({ status: 0 });
    expect(stdout).toMatch(/seccomp/i);
    expect(stdout).toMatch(/capabilities/i);
  });

  test("reports it to machines with --format json", async () => {
    const { status, stdout } = await run("run", "hello", "--format", "json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toBeTruthy();
  });

  test("says it, and fails, when something promised was taken away", async () => {
    const { status } = await run("run", "--security-opt", "seccomp=unconfined", "hello");
    expect(status).not.toBe(0);
  });

  test("leaves a store that a clean empties", async () => {
    expect((await run("clean", "--all")).status).toBe(0);
  });
});
