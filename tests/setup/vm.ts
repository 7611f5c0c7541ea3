/**
 * The stage `vm`: what needs systemd, cgroup v2 and a login, in virtual machines. It runs when it
 * is asked for (`bun tests/run.ts vm`, or HB_TEST_VM=1) and is no part of the default run.
 *
 * `HB_TEST_VM_RUNNER` names the program that has the machines. It is called as
 *
 *   RUNNER run --suite SUITE --with uidmap [--root] --copy PATH... -- sh ./guest.sh
 *
 * and runs the command in a fresh machine of the Debian release SUITE, as a logged-in user with
 * password-less sudo, or as root; in a folder that has a copy of every PATH; with its output and
 * exit status. `HB_TEST_VM_SUITES` chooses the releases: `bookworm,trixie` unless it is set.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { busyboxLayer } from "./images.ts";
import { bunTest, type Outcome, type Stage } from "./outcome.ts";
import { installPackages } from "./packages.ts";

/** The stage; `root` is the project's folder. */
export function vmStage(root: string): Stage {
  return { name: "vm", run: () => runMachines(root) };
}

async function runMachines(root: string): Promise<Outcome> {
  if (process.env.HB_TEST_VM_RUNNER === undefined) {
    const output = "! set HB_TEST_VM_RUNNER to a program that runs virtual machines";
    return { passed: 0, failed: 0, skipped: 1, output };
  }
  await installPackages();
  const folder = mkdtempSync("/var/tmp/hb-vm-");
  try {
    const rootfs = join(folder, "rootfs.tar");
    writeFileSync(rootfs, gunzipSync(busyboxLayer().blob));
    const env = { HB_TEST_BIN: join(root, "dist/hb"), HB_TEST_ROOTFS: rootfs };
    const argv = [process.execPath, "test", "--only-failures", "--timeout=60000", "./tests/vm/"];
    return await bunTest(argv, { cwd: root, env: { ...process.env, ...env } });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
