/**
 * The ordinary user as whom root runs the rootless tests, and a command run as that user.
 */

import { readFileSync } from "node:fs";
import { systemPath } from "./packages.ts";

export const testUser = "hb-test";

/** Makes the user, with 65536 subordinate ids, where it does not exist yet. */
export function ensureTestUser(): void {
  if (homeOf(testUser) === undefined) {
    must(["useradd", "--create-home", "--shell", "/bin/sh", testUser]);
  }
  for (const [file, option] of [
    ["/etc/subuid", "--add-subuids"],
    ["/etc/subgid", "--add-subgids"],
  ] as const) {
    const lines = readFileSync(file, "utf8").split("\n");
    if (lines.some((line) => line.startsWith(`${testUser}:`))) continue;
    const ends = lines.map((line) => line.split(":")).map(([, at, n]) => Number(at) + Number(n));
    const first = Math.max(100_000, ...ends.filter(Number.isFinite));
    must(["usermod", option, `${first}-${first + 65_535}`, testUser]);
  }
}

export function homeOf(user: string): string | undefined {
  const line = readFileSync("/etc/passwd", "utf8").split("\n");
  return line.find((entry) => entry.startsWith(`${user}:`))?.split(":")[5];
}

/** `argv` as the test user: its own groups and an environment of nothing but what is given. */
export function asTestUser(env: Readonly<Record<string, string>>, argv: readonly string[]) {
  const ids = ["--reuid", testUser, "--regid", testUser, "--init-groups"];
  const assignments = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return ["setpriv", ...ids, "env", "-i", ...assignments, ...argv];
}

function must(argv: readonly string[]): void {
  const env = { ...process.env, PATH: systemPath };
  const { exitCode, stderr } = Bun.spawnSync([...argv], { env, stdin: "ignore" });
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${stderr.toString().trim()}`);
}
