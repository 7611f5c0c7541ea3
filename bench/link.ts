/**
 * A slow line to a registry: a network namespace with a registry of its own, and between it and
 * this machine a link of some rate and delay (link.zig).
 */

import { firstMatch } from "../tests/setup/registry.ts";
import type { Images } from "./images.ts";
import type { Workspace } from "./workspace.ts";

/** The line's rate, in each direction. */
export const bitsPerSecond = 100_000_000;
/** There and back. */
export const roundTripMs = 20;
/** What waits before the line at most: as much as is on its way in a round trip. */
const queueBytes = (bitsPerSecond / 8) * (roundTripMs / 1000);

const [here, there] = ["198.18.78.1", "198.18.78.2"];

/** The registry at the other end, with the images of the one that is near. */
export interface Link {
  /** Set when this machine cannot do it. */
  readonly missing?: string;
  readonly registry: string;
}

/** Made when a row first asks; gone with the workspace, and with the bench however that ends. */
export async function makeLink(workspace: Workspace, images: Images): Promise<Link> {
  const ip = Bun.which("ip");
  const absent = (missing: string): Link => ({ missing, registry: "" });
  if (process.getuid?.() !== 0) return absent("a network namespace takes root");
  if (ip === null) return absent("no ip(8)");
  if (images.registry === undefined) return absent(images.missing ?? "no registry");
  const name = `hbbl${process.pid}`;
  workspace.defer(() => {
    Bun.spawnSync([ip, "netns", "delete", name]);
  });
  const failed = run(ip, [`netns add ${name}`]);
  if (failed !== undefined) return absent(failed);
  const delayNs = (roundTripMs / 2) * 1e6;
  const numbers = [bitsPerSecond, delayNs, queueBytes].map(String);
  const argv = [workspace.meter, "link", name, `/run/netns/${name}`, ...numbers];
  const line = Bun.spawn(argv, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  workspace.defer(async () => {
    line.kill();
    await line.exited;
  });
  try {
    await firstMatch(line.stdout, /(ready)/);
  } catch {
    return absent("no network devices can be made (/dev/net/tun)");
  }
  const connected = run(ip, [
    `address add ${here} peer ${there} dev ${name}`,
    `link set ${name} up`,
    `-n ${name} link set lo up`,
    `-n ${name} address add ${there} peer ${here} dev ${name}`,
    `-n ${name} link set ${name} up`,
  ]);
  if (connected !== undefined) return absent(connected);
  const enter = [ip, "netns", "exec", name];
  const registry = await images.serve({ address: there, enter });
  workspace.defer(registry.stop);
  return { registry: registry.host };
}

/** ip(8) step by step; what it said when one failed. */
function run(ip: string, steps: readonly string[]): string | undefined {
  for (const step of steps) {
    const done = Bun.spawnSync([ip, ...step.split(" ")]);
    if (done.exitCode !== 0) return `ip ${step}: ${done.stderr.toString().trim()}`;
  }
  return undefined;
}
