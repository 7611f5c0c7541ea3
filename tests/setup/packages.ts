/**
 * What the tests need from the machine: the one list of Debian packages, and their installation.
 *
 * As root on Debian what is missing is installed; elsewhere the line that would do it is printed.
 * Nothing of the machine is removed or reconfigured.
 */

import { existsSync, rmSync, writeFileSync } from "node:fs";

/** A program the tests look for, and the package that has it. */
const needs: Readonly<Record<string, string>> = {
  newuidmap: "uidmap",
  pasta: "passt",
  ip: "iproute2",
  busybox: "busybox-static",
  "docker-registry": "docker-registry",
  debootstrap: "debootstrap",
  crun: "crun",
  runc: "runc",
  strace: "strace",
  setpriv: "util-linux",
  openssl: "openssl",
  skopeo: "skopeo",
  podman: "podman",
};

/** Programs that are missing after an attempt to install them. */
export async function installPackages(): Promise<readonly string[]> {
  const missing = missingPrograms();
  if (missing.length === 0) return [];
  const packages = [...new Set(missing.map((program) => needs[program] ?? program))];
  const install = ["apt-get", "install", "-yq", "--no-install-recommends", ...packages];
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) {
    console.log(`! to run every test, as root: ${install.join(" ")}`);
    return missing;
  }
  console.log(`  installing ${packages.join(" ")}`);
  // The lists may be there and fresh enough; a failed attempt costs less than an update.
  if (!(await aptGet(install))) {
    await aptGet(["apt-get", "update", "-q"]);
    if (!(await aptGet(install))) console.log(`! ${install.join(" ")} failed`);
  }
  return missingPrograms();
}

/** Where Debian keeps root's programs, for users whose PATH lacks them. */
export const systemPath = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;

function missingPrograms(): string[] {
  return Object.keys(needs).filter((program) => Bun.which(program, { PATH: systemPath }) === null);
}

/** Runs apt-get without letting packages start services (docker-registry would listen on 5000). */
async function aptGet(argv: string[]): Promise<boolean> {
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const apt = Bun.spawn(argv, { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([apt.stdout.text(), apt.stderr.text()]);
    if ((await apt.exited) !== 0) console.log(`${out}${err}`.trimEnd());
    return apt.exitCode === 0;
  } finally {
    if (ours) rmSync(policy);
  }
}
