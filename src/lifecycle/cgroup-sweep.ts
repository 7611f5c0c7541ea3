/**
 * Cgroups that nobody needs any more. The supervisor removes its container's, and the guard does
 * where that one is killed; what is left where both were, or hb itself between making the cgroup
 * and becoming the supervisor, is empty of processes and goes here. A scope of systemd's goes by
 * itself.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Cgroup, ContainerDirectory } from "../container/plan.ts";
import { cgroupMounts } from "../host/cgroup.ts";
import { isHeld } from "../store/lock.ts";

/** A cgroup this old is in use, or its maker is gone. */
const STALE_MS = 60_000;

/** A container by its directory. */
type Named = Pick<ContainerDirectory, "id" | "directory">;

/**
 * The name of a container's cgroup. Each store knows its own, and each start makes another: the
 * guard of the run before may still be about to remove that one's.
 */
export function leafName(container: Named): string {
  return `${leafPrefix(container)}${process.pid}`;
}

function leafPrefix({ id, directory }: Named): string {
  return `${id}-${storeName(dirname(dirname(directory)))}-`;
}

/** Removes a cgroup without processes; what is gone already is no failure. */
export function removeCgroup(cgroup: Pick<Cgroup, "directories"> | undefined): void {
  for (const directory of cgroup?.directories ?? []) {
    try {
      rmdirSync(directory);
    } catch (error) {
      // EBUSY: somebody has put processes in, and whoever did has to end them.
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "ENOENT" && code !== "EBUSY") throw error;
    }
  }
}

/** Removes what a container that is no more may have left. */
export function removeCgroupOf(container: Named): void {
  const prefix = leafPrefix(container);
  for (const parent of parents()) {
    const names = namesIn(parent).filter((name) => name.startsWith(prefix));
    removeCgroup({ directories: names.map((name) => `${parent}/${name}`) });
  }
}

/** Removes what containers of the store in `root` left that nobody remembers. */
export function sweepCgroups(root: string): void {
  for (const parent of parents()) {
    for (const name of namesIn(parent)) {
      const [, id = "", store] = /^([0-9a-f]{64})-(\w+)-\d+$/.exec(name) ?? [];
      if (store !== storeName(root) || isHeld(`${root}/containers/${id}`)) continue;
      const stat = statSync(`${parent}/${name}`, { throwIfNoEntry: false });
      const isStale = stat !== undefined && Date.now() - stat.ctimeMs > STALE_MS;
      if (isStale) removeCgroup({ directories: [`${parent}/${name}`] });
    }
  }
}

/** Where root makes cgroups by itself. */
function parents(): readonly string[] {
  if (process.geteuid?.() !== 0) return [];
  const mounts = cgroupMounts();
  if (mounts.version === undefined) return [];
  return [...new Set(Object.values(mounts.hierarchies))].map((mountPoint) => `${mountPoint}/hb`);
}

function namesIn(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function storeName(root: string): string {
  return createHash("sha256").update(root).digest("hex").slice(0, 8);
}
