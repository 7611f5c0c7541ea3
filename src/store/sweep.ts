/**
 * Collecting what killed processes left: every command that writes the store starts with this.
 *
 * Garbage is what nobody holds the lock of: staging in tmp/, and containers whose supervisor is
 * gone and that were not to be kept. Usually there is nothing, and two readdirs tell so.
 */

import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { HbError } from "../errors.ts";
import { containerPath, type StorePath, type StorePaths, within } from "./layout.ts";
import { tryLock, tryOwn, waitLock } from "./lock.ts";
import { type LockedTree, removeTrees } from "./remove.ts";

/** The file of events is kept once more under another name, and then forgotten. */
const EVENTS_BYTES_MAX = 4 << 20;

/** `writeDurably`'s temporary files live for milliseconds; one this old has lost its writer. */
const STALE_FILE_MS = 60_000;

/**
 * Removes garbage. What other processes are at work on is left alone. Garbage that resists is no
 * reason to refuse what the user asked for: the failure is returned, for a notice.
 */
export function sweep(store: StorePaths, mapFlags: readonly string[]): HbError | undefined {
  rotateEvents(store);
  const garbage = [...deadContainers(store), ...deadStaging(store)];
  if (garbage.length === 0) return undefined;
  try {
    removeTrees(store, garbage, mapFlags);
    return undefined;
  } catch (error) {
    if (error instanceof HbError) return error;
    throw error;
  }
}

/** Whether the container `id` outlives its run: then its directory is no garbage. */
export function isKept(store: StorePaths, id: string): boolean {
  return existsSync(within(containerPath(store, id), "kept"));
}

/** Every container directory, dead or alive. */
export function listContainers(store: StorePaths): string[] {
  return namesIn(store.containers);
}

function deadContainers(store: StorePaths): LockedTree[] {
  return listContainers(store).flatMap((id) => {
    // Looked at before and after locking: it is made under the lock.
    if (isKept(store, id)) return [];
    const path = containerPath(store, id);
    const lock = tryOwn(path);
    if (typeof lock === "string") return [];
    if (!isKept(store, id)) return [{ path, lock }];
    lock.release();
    return [];
  });
}

/** Whoever writes one line the old file has open at most: it is in events.1 then. */
function rotateEvents(store: StorePaths): void {
  const file = within(store.root, "events");
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= EVENTS_BYTES_MAX) return;
  using _lock = waitLock(store.containers, "exclusive");
  const again = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (again > EVENTS_BYTES_MAX) renameSync(file, within(store.root, "events.1"));
}

function deadStaging(store: StorePaths): LockedTree[] {
  return namesIn(store.tmp).flatMap((name) => {
    const path = within(store.tmp, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    if (!stat.isDirectory()) {
      removeStaleFile(path, stat.mtimeMs);
      return [];
    }
    const lock = tryLock(path, "exclusive");
    return typeof lock === "string" ? [] : [{ path, lock }];
  });
}

function removeStaleFile(path: StorePath, mtimeMs: number): void {
  if (Date.now() - mtimeMs > STALE_FILE_MS) rmSync(path, { force: true });
}

function namesIn(directory: StorePath): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return []; // no store yet
    throw error;
  }
}
