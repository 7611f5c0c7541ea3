/**
 * /etc/hosts of containers on one network, by which they find each other by name.
 *
 * Each container has a file in the network's directory, mounted as its /etc/hosts. Whoever joins
 * writes its line into everybody's: in place, because a mounted file cannot be replaced. A line of
 * a container that has ended goes with its lease (hosts.zig), or when the next one comes.
 */

import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import type { Lease } from "./leases.ts";

/** Below this line is what hb writes; above it is the container's own. */
const MARK = "# containers on this network\n";

/** Where the file of the container with `address` is. */
export function hostsPath(state: string, address: string): string {
  return `${state}/hosts/${address}`;
}

/** Makes the file of `own`, and tells all others in `leases` of it. The caller has the lock. */
export function writeHosts(
  state: string,
  own: { readonly lease: Lease; readonly content: string },
  leases: readonly Lease[],
): void {
  mkdirSync(`${state}/hosts`, { recursive: true, mode: 0o700 });
  overwrite(hostsPath(state, own.lease.address), `${own.content}${MARK}${linesOf(leases)}`);
  for (const { address } of leases) {
    const file = hostsPath(state, address);
    const text = readOptional(file);
    if (text === undefined) continue;
    const end = text.indexOf(MARK);
    const kept = end < 0 ? text : text.slice(0, end);
    const others = [...leases.filter((lease) => lease.address !== address), own.lease];
    overwrite(file, `${kept}${MARK}${linesOf(others)}`);
  }
}

function linesOf(leases: readonly Lease[]): string {
  return leases
    .filter(({ names }) => names.length > 0)
    .map(({ address, names }) => `${address}\t${names.join(" ")}\n`)
    .join("");
}

/** Without a moment in which the file is empty. */
function overwrite(file: string, text: string): void {
  const bytes = new TextEncoder().encode(text);
  const fd = openSync(file, "a", 0o644);
  closeSync(fd);
  const writable = openSync(file, "r+");
  try {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(writable, bytes, done, bytes.length - done, done);
    }
    ftruncateSync(writable, bytes.length);
  } finally {
    closeSync(writable);
  }
}

function readOptional(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
