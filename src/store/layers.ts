/**
 * Unpacked layers: which are there, who uses them, and removing those nobody does.
 *
 * A layer is in use while an image record names it, a kept container stands on it, or somebody
 * holds its shared lock: a running container, or a pull until its record is written.
 */

import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { HbError } from "../errors.ts";
import { listImages, type StoredImage } from "./images.ts";
import {
  containerPath,
  layerDiffPath,
  layerPath,
  layerSource,
  type StorePath,
  type StorePaths,
  within,
} from "./layout.ts";
import { DirectoryLock, tryLock } from "./lock.ts";
import { type LockedTree, removeTrees } from "./remove.ts";
import { isKept, listContainers } from "./sweep.ts";

/** Shared locks on the layers a pull relies on. */
export class HeldLayers implements Disposable {
  readonly #store: StorePaths;
  readonly #locks = new Map<string, DirectoryLock>();

  constructor(store: StorePaths) {
    this.#store = store;
  }

  /** Locks the layer if it is there. It stays until `dispose`, whatever others remove. */
  hold(name: string): boolean {
    if (this.#locks.has(name)) return true;
    const lock = tryLock(layerPath(this.#store, name), "shared");
    if (!(lock instanceof DirectoryLock)) return false;
    this.#locks.set(name, lock);
    return true;
  }

  /** Whether all of `names` are there, and locked now. */
  holdAll(names: readonly string[]): boolean {
    return names.every((name) => this.hold(name));
  }

  [Symbol.dispose](): void {
    for (const lock of this.#locks.values()) lock.release();
    this.#locks.clear();
  }
}

/** Bytes of the layer's files; 0 where nobody wrote it down. */
export function layerSize(store: StorePaths, name: string): number {
  const file = within(layerPath(store, name), "size");
  return existsSync(file) ? Number.parseInt(readFileSync(file, "latin1"), 10) || 0 : 0;
}

/** Bytes that the layer takes in this very store: none where its files are in another one. */
export function takenBytes(store: StorePaths, name: string): number {
  return isOwnTree(layerPath(store, name)) ? layerSize(store, name) : 0;
}

function isOwnTree(path: StorePath): boolean {
  return lstatSync(within(path, "diff"), { throwIfNoEntry: false })?.isSymbolicLink() !== true;
}

/**
 * What the layer leaves to those below it, for a patch layer to supply: `root` is no more than the
 * attributes of its root directory, as in most layers.
 */
export function pendingIn(store: StorePaths, name: string): "nothing" | "root" | "more" {
  const file = within(layerPath(store, name), "pending");
  if (!existsSync(file)) return "nothing";
  return readFileSync(file, "latin1") === ROOT_ALONE ? "root" : "more";
}

/** One record with an empty path, and the end (helper-zig/src/pending.zig). */
const ROOT_ALONE = "D\0E";

/** Whether the layer is there without its recipe: an hb that knew of none unpacked it. */
export function lacksRecipe(store: StorePaths, name: string): boolean {
  const isThere = existsSync(layerDiffPath(store, name));
  return isThere && !existsSync(within(layerSource(store, name), "recipe"));
}

/** What is wrong with the layer's form on disk, in words; undefined: nothing that shows. */
export function layerDefect(store: StorePaths, name: string): string | undefined {
  const path = layerPath(store, name);
  const kind = lstatSync(path, { throwIfNoEntry: false });
  if (kind === undefined) return "it is missing";
  if (!kind.isDirectory()) return "it is no directory";
  const diff = within(path, "diff");
  if (statSync(diff, { throwIfNoEntry: false })?.isDirectory() !== true) {
    if (isOwnTree(path)) return "its files are missing";
    return `its files are missing: they were "${readlinkSync(diff)}"`;
  }
  const size = within(path, "size");
  const text = existsSync(size) ? readFileSync(size, "latin1") : "";
  if (!/^\d+\n$/.test(text)) return "its size is not written down";
  const isGone =
    Number(text) > EMPTY_TAR_BYTES && pendingIn(store, name) === "nothing" && isEmpty(diff);
  return isGone ? "its files are missing" : undefined;
}

/** More than the longest tar of nothing but the root and marks of what is hidden below it. */
const EMPTY_TAR_BYTES = 64 << 10;

/** A directory that may not be listed (an image's root can forbid it) counts as full. */
function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return false;
    throw error;
  }
}

/** Takes damaged layers away, whoever names them; refuses while something runs on one. */
export function discardLayers(
  store: StorePaths,
  names: readonly string[],
  mapFlags: readonly string[],
): void {
  const trees: LockedTree[] = [];
  try {
    for (const name of names) {
      const path = layerPath(store, name);
      const kind = lstatSync(path, { throwIfNoEntry: false });
      if (kind?.isDirectory() === false) rmSync(path);
      if (kind?.isDirectory() !== true) continue;
      const lock = tryLock(path, "exclusive");
      if (lock instanceof DirectoryLock) trees.push({ path, lock });
      else if (lock === "busy") throw layerInUse(name);
    }
  } catch (error) {
    for (const { lock } of trees) lock.release();
    throw error;
  }
  if (trees.length > 0) removeTrees(store, trees, mapFlags);
}

function layerInUse(name: string): HbError {
  return new HbError(`the layer ${name.slice(0, 12)} is in use by a running container or a pull`, {
    hint: "wait for its end, or stop it",
  });
}

/** Every layer and patch in the store. */
export function listLayers(store: StorePaths): string[] {
  return existsSync(store.layers) ? readdirSync(store.layers) : [];
}

/** The kept containers that stand on each layer. */
export function layersOfContainers(store: StorePaths): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const id of listContainers(store)) {
    if (!isKept(store, id)) continue;
    for (const layer of layersOfContainer(store, id)) {
      users.set(layer, [...(users.get(layer) ?? []), id]);
    }
  }
  return users;
}

/** What matters here of a kept container's plan. */
interface KeptPlan {
  readonly hb?: { readonly overlay?: { readonly lowerdirs?: readonly string[] } };
}

function layersOfContainer(store: StorePaths, id: string): string[] {
  const file = within(containerPath(store, id), "config.json");
  let plan: KeptPlan;
  try {
    plan = JSON.parse(readFileSync(file, "utf8")) as KeptPlan;
  } catch (error) {
    throw new HbError(`Cannot read "${file}"`, {
      cause: error,
      hint: `remove the container: rm -r ${dirname(file)}`,
    });
  }
  const lowerdirs = plan.hb?.overlay?.lowerdirs ?? [];
  return lowerdirs.map((lowerdir) => basename(dirname(lowerdir)));
}

/** Layers taken out of use by their exclusive locks, and those somebody holds. */
export interface LockedLayers {
  readonly locked: readonly (LockedTree & { readonly name: string })[];
  /** Not named by any image, and yet in use by somebody at this moment. */
  readonly busy: readonly string[];
}

/** What a collection did. */
export interface Collected {
  readonly layers: number;
  readonly bytes: number;
}

/** Removes those of `candidates` that nobody uses. */
export function collectLayers(
  store: StorePaths,
  candidates: Iterable<string>,
  mapFlags: readonly string[],
): Collected {
  return removeLocked(store, lockUnused(store, candidates, []), mapFlags);
}

/** Locks those of `candidates` that nothing names but the image records in `leaving`. */
export function lockUnused(
  store: StorePaths,
  candidates: Iterable<string>,
  leaving: readonly StoredImage[],
): LockedLayers {
  const locked: (LockedTree & { readonly name: string })[] = [];
  const busy: string[] = [];
  for (const name of namesNotUsed(store, candidates, leaving)) {
    const path = layerPath(store, name);
    const lock = tryLock(path, "exclusive");
    if (lock instanceof DirectoryLock) locked.push({ name, path, lock });
    else if (lock === "busy") busy.push(name);
  }
  return { locked, busy };
}

/**
 * Removes the locked layers that nothing names. The records are read again: a pull holds its layers
 * until its record is written, so whoever has the lock sees that record.
 */
export function removeLocked(
  store: StorePaths,
  { locked }: LockedLayers,
  mapFlags: readonly string[],
): Collected {
  const lockedNames = locked.map(({ name }) => name);
  const unused = new Set(namesNotUsed(store, lockedNames, []));
  const garbage = locked.filter(({ name }) => unused.has(name));
  for (const { name, lock } of locked) if (!unused.has(name)) lock.release();
  const bytes = garbage.reduce((sum, { name }) => sum + takenBytes(store, name), 0);
  if (garbage.length > 0) removeTrees(store, garbage, mapFlags);
  return { layers: garbage.length, bytes };
}

/** Lets go without removing anything. */
export function releaseLocked({ locked }: LockedLayers): void {
  for (const { lock } of locked) lock.release();
}

function namesNotUsed(
  store: StorePaths,
  names: Iterable<string>,
  leaving: readonly StoredImage[],
): string[] {
  const ignored = new Set<string>(leaving.map(({ file }) => file));
  const records = listImages(store).filter(({ file }) => !ignored.has(file));
  const used = new Set(records.flatMap(({ record }) => record.layers));
  for (const name of layersOfContainers(store).keys()) used.add(name);
  return [...new Set(names)].filter((name) => !used.has(name));
}
