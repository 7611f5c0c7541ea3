/**
 * Layers of other stores, which are only read: a layer's directory here has a link to the tree
 * there instead of a tree. So records, plans and pruning know layers by their names alone, and
 * what is removed here is the link.
 *
 * A tree is of use only to whoever could have unpacked it: overlayfs's marks and the files' owners
 * depend on the ids that were mapped (host/identity.ts). Each layer says so in its file `form`.
 */

import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { bootOf } from "./boot.ts";
import { discardLayers, layerSize, pendingIn } from "./layers.ts";
import { layerDiffPath, layerPath, type StorePath, type StorePaths, within } from "./layout.ts";
import { DirectoryLock, tryLock } from "./lock.ts";

/** Why `uid` cannot take layers from `store`; undefined: it can. */
export function otherStoreDefect(store: StorePaths, uid: number): string | undefined {
  for (const path of [store.root, store.images, store.blobs, store.layers]) {
    const stat = look(path);
    if (typeof stat === "string") return stat;
    // Whoever writes there decides what runs here: as with one's own store, oneself, or root.
    if (stat.uid !== uid && stat.uid !== 0) return `it belongs to uid ${stat.uid}`;
    if ((stat.mode & 0o022) !== 0) return "others than its owner can write there";
  }
  return undefined;
}

function look(path: StorePath): Stats | string {
  try {
    return statSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? "it is not there" : `it cannot be read: ${code ?? message}`;
  }
}

/** Whether all of the layers are there, in the form of whoever has these id maps. */
export function haveForm(store: StorePaths, names: readonly string[], form: string): boolean {
  return names.every(
    (name) => formOf(store, name) === form && existsSync(layerDiffPath(store, name)),
  );
}

function formOf(store: StorePaths, name: string): string | undefined {
  try {
    return readFileSync(within(layerPath(store, name), "form"), "utf8").trimEnd();
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    // Not there, not for us to read, or unpacked by an hb that did not write it down.
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(code)) return undefined;
    throw error;
  }
}

/** Makes the layer of the store `other` one of `own`, unless `own` has it. */
export function linkLayer(own: StorePaths, other: StorePaths, name: string): void {
  for (;;) {
    const staging = within(own.tmp, `link-${crypto.randomUUID()}`);
    mkdirSync(staging, { mode: 0o700 });
    const lock = tryLock(staging, "exclusive");
    if (!(lock instanceof DirectoryLock)) continue; // somebody sweeps, and takes it for garbage
    using _lock = lock;
    symlinkSync(layerDiffPath(other, name), `${staging}/diff`);
    if (pendingIn(other, name) !== "nothing") {
      symlinkSync(`${dirname(layerDiffPath(other, name))}/pending`, `${staging}/pending`);
    }
    // Whether it lost data in an earlier boot is looked for here: nothing can be noted there.
    const boot = bootOf(other, name);
    if (boot !== undefined) symlinkSync(boot, `${staging}/boot`);
    writeFileSync(`${staging}/form`, `${formOf(other, name) ?? ""}\n`);
    writeFileSync(`${staging}/size`, `${layerSize(other, name)}\n`);
    try {
      renameSync(staging, layerPath(own, name));
    } catch (error) {
      rmSync(staging, { recursive: true });
      const { code } = error as NodeJS.ErrnoException;
      // It has come by another way meanwhile.
      if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
    }
    return;
  }
}

/**
 * Locks the links to these trees, shared: whoever removes what nobody uses leaves them. The
 * descriptors are the caller's.
 */
export function holdLinks(own: StorePaths, trees: readonly string[]): number[] {
  return trees.flatMap((tree) => {
    const lock = tryLock(layerPath(own, basename(dirname(tree))), "shared");
    return lock instanceof DirectoryLock ? [lock.handOver()] : [];
  });
}

/** Forgets a layer whose tree was in a store that is gone, or has it no more. */
export function forgetIfLost(own: StorePaths, name: string, mapFlags: readonly string[]): void {
  const tree = layerDiffPath(own, name);
  if (tree.startsWith(`${own.layers}/`) || existsSync(tree)) return;
  discardLayers(own, [name], mapFlags);
}
