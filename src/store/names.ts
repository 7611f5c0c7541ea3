/**
 * Names of containers (`--name`): names/<NAME> holds the id of the container that has it.
 *
 * A name is taken while somebody holds its file's lock, while its container is alive, or while it
 * is kept. The lock's descriptor goes with hb into the supervisor and ends with it, so that a
 * killed hb leaves a file that means nothing, and the next one to ask for the name takes it over.
 */

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { HbError } from "../errors.ts";
import { LOCK_EX, tryFlock } from "../host/libc.ts";
import { containerPath, type StorePath, type StorePaths, within } from "./layout.ts";
import { isHeld, waitLock } from "./lock.ts";
import { isKept } from "./sweep.ts";

/** A name that is ours as long as the descriptor is open. */
export interface ClaimedName {
  readonly file: StorePath;
  readonly fd: number;
}

/** Gives `name` to the container `id`, or says who has it. */
export function claimName(store: StorePaths, name: string, id: string): ClaimedName {
  const directory = within(store.root, "names");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // One claim at a time: it is over in a moment, and nobody mistakes a look for a claim.
  using _lock = waitLock(directory, "exclusive");
  removeStale(store, directory, name);
  const file = within(directory, name);
  for (;;) {
    const fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      if (!tryFlock(fd, LOCK_EX)) throw new NameTaken(name, readFileSync(file, "latin1"));
      // Whoever had it may have unlinked it between our open and our lock.
      if (statSync(file, { throwIfNoEntry: false })?.ino !== fstatSync(fd).ino) {
        closeSync(fd);
        continue;
      }
      const holder = readFileSync(file, "latin1");
      if (isInUse(store, holder)) throw new NameTaken(name, holder);
      ftruncateSync(fd);
      writeSync(fd, id, 0, "latin1");
      return { file, fd };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
}

/**
 * Gives up the names of the container `id`, all but `kept`: more than one are what a rename leaves
 * that was killed.
 */
export function releaseNames(store: StorePaths, id: string, kept?: string): void {
  const directory = within(store.root, "names");
  if (!existsSync(directory)) return;
  using _lock = waitLock(directory, "exclusive");
  for (const name of readdirSync(directory)) {
    const file = within(directory, name);
    // A supervisor unlinks a temporary container's name whenever that ends.
    const fd = name === kept ? undefined : openOptional(file);
    if (fd === undefined) continue;
    if (readFileSync(fd, "latin1") === id) rmSync(file, { force: true });
    closeSync(fd);
  }
}

/** Unlinks what killed processes left; its own supervisor unlinks a name that ends in peace. */
function removeStale(store: StorePaths, directory: StorePath, wanted: string): void {
  for (const name of readdirSync(directory)) {
    if (name === wanted) continue;
    const file = within(directory, name);
    const fd = openOptional(file);
    if (fd === undefined) continue;
    if (tryFlock(fd, LOCK_EX) && !isInUse(store, readFileSync(file, "latin1"))) {
      rmSync(file, { force: true });
    }
    closeSync(fd);
  }
}

function openOptional(file: StorePath): number | undefined {
  try {
    return openSync(file, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function isInUse(store: StorePaths, id: string): boolean {
  if (!/^[0-9a-f]{64}$/.test(id)) return false;
  return isKept(store, id) || isHeld(containerPath(store, id));
}

/** Whether `claimName` failed because of whoever has the name. */
export function isNameTaken(error: unknown): boolean {
  return error instanceof NameTaken;
}

/** docker's words. */
class NameTaken extends HbError {
  constructor(name: string, id: string) {
    super(`The container name "/${name}" is already in use by container ${id.slice(0, 12)}`, {
      hint: "remove or rename that container, or use another name",
    });
  }
}
