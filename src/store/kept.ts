/**
 * Directories of containers that outlive their runs: made and marked before the first start.
 *
 * Their file `kept` is also whose turn it is: a command that starts or removes a kept container
 * holds its lock, for moments. So whoever has the turn and finds the directory's lock taken knows
 * that a supervisor has it.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { containerPath, type StorePath, type StorePaths, within } from "./layout.ts";
import { type DirectoryLock, waitFileLock, waitNamedLock } from "./lock.ts";

/** Tries at making a directory that sweeps take away between mkdir and flock. */
const TRIES_MAX = 100;

/** The new container's directory, locked; garbage until it is marked. */
export function makeContainer(store: StorePaths, id: string): DirectoryLock {
  const path = containerPath(store, id);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    // 0700: what a container writes is its owner's business.
    mkdirSync(path, { recursive: true, mode: 0o700 });
    // Whoever sweeps has it for as long as it takes to remove it.
    const lock = waitNamedLock(path, "exclusive");
    if (lock !== undefined) return lock;
  }
  throw new Error(`'${path}' is taken away again and again`);
}

/** Makes the container one that is kept. Its lock is the caller's. */
export function markKept(store: StorePaths, id: string): void {
  writeFileSync(within(containerPath(store, id), "kept"), "", { mode: 0o600 });
}

/** Waits for the turn on a kept container; undefined where there is none (any more). */
export function takeTurn(directory: StorePath): DirectoryLock | undefined {
  return waitFileLock(within(directory, "kept"));
}
