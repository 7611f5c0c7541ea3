/**
 * Locks on directories: who uses a layer, who owns a container, whose staging this is.
 *
 * flock(2) on the directory itself: the kernel lets go however the holder dies, so no lock is ever
 * stale. A lock counts only while the directory still has its name; who renames a directory away
 * holds it exclusively first.
 */

import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { LOCK_EX, LOCK_SH, tryFlock, waitFlock } from "../host/libc.ts";

export type LockMode = "shared" | "exclusive";

/** A held lock; closing its descriptor lets go. */
export class DirectoryLock implements Disposable {
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** For who is to inherit the lock. */
  get fd(): number {
    return this.#fd;
  }

  /** Its descriptor, which somebody else closes from here on. */
  handOver(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  release(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** Why there is no lock: somebody has it, or there is no such directory (any more). */
export type NoLock = "busy" | "missing";

/** Locks `directory` if that is possible now. */
export function tryLock(directory: string, mode: LockMode): DirectoryLock | NoLock {
  const fd = openDirectory(directory);
  if (fd === undefined) return "missing";
  try {
    if (!tryFlock(fd, mode === "shared" ? LOCK_SH : LOCK_EX)) return closed(fd, "busy");
    return isNamed(fd, directory) ? new DirectoryLock(fd) : closed(fd, "missing");
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Whether somebody holds `directory`'s lock exclusively: the supervisor of a container, say. */
export function isHeld(directory: string): boolean {
  // Shared, so that many may look at once and none takes another's look for an owner.
  const lock = tryLock(directory, "shared");
  if (lock instanceof DirectoryLock) lock.release();
  return lock === "busy";
}

/**
 * Locks `directory` exclusively if nobody owns it. Whoever only looks (`isHeld`) has it for a
 * moment as well: then this tries again, rather than take that for an owner.
 */
export function tryOwn(directory: string): DirectoryLock | NoLock {
  for (let tries = 0; tries < LOOKERS_MAX; tries++) {
    const lock = tryLock(directory, "exclusive");
    if (lock !== "busy" || isHeld(directory)) return lock;
  }
  return "busy";
}

/** More looks than this in a row are not by chance. */
const LOOKERS_MAX = 10_000;

/**
 * Locks `directory`, which exists and is never renamed, waiting for whoever has it. The wait stops
 * the event loop: only for locks that everybody holds for moments.
 */
export function waitLock(directory: string, mode: LockMode): DirectoryLock {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    waitFlock(fd, mode === "shared" ? LOCK_SH : LOCK_EX);
    return new DirectoryLock(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Like `waitLock`, for a directory that may be removed: undefined when it was. */
export function waitNamedLock(directory: string, mode: LockMode): DirectoryLock | undefined {
  return waitNamed(directory, openDirectory(directory), mode);
}

/** The same on a file, exclusively. */
export function waitFileLock(file: string): DirectoryLock | undefined {
  return waitNamed(file, openOptional(file, constants.O_RDONLY), "exclusive");
}

function waitNamed(path: string, fd: number | undefined, mode: LockMode) {
  if (fd === undefined) return undefined;
  try {
    waitFlock(fd, mode === "shared" ? LOCK_SH : LOCK_EX);
    return isNamed(fd, path) ? new DirectoryLock(fd) : closed(fd, undefined);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openDirectory(directory: string): number | undefined {
  return openOptional(directory, constants.O_RDONLY | constants.O_DIRECTORY);
}

function openOptional(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function isNamed(fd: number, directory: string): boolean {
  const ours = fstatSync(fd);
  const named = statSync(directory, { throwIfNoEntry: false });
  return named !== undefined && named.ino === ours.ino && named.dev === ours.dev;
}

function closed<T>(fd: number, outcome: T): T {
  closeSync(fd);
  return outcome;
}
