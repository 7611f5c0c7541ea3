/**
 * Removing directory trees from the store.
 *
 * Always by renaming into tmp/ first, under the tree's own exclusive lock: what is half removed has
 * no name any more, and if the remover dies the next command finds an unlocked entry in tmp/. The
 * helper does the removing, inside the user namespace: trees hold files of subordinate ids and
 * directories without permissions.
 */

import { renameSync } from "node:fs";
import { runHelper } from "../helper/binary.ts";
import { type StorePath, type StorePaths, within } from "./layout.ts";
import type { DirectoryLock } from "./lock.ts";

/** A tree and its exclusive lock. */
export interface LockedTree {
  readonly path: StorePath;
  readonly lock: DirectoryLock;
}

/** How many paths one helper takes: far below what execve allows (ARG_MAX). */
const PATHS_PER_HELPER = 256;

/** Takes the trees' names away; they are garbage from here on, whatever happens next. */
export function moveAside(store: StorePaths, trees: readonly LockedTree[]): LockedTree[] {
  return trees.map(({ path, lock }) => {
    if (path.startsWith(`${store.tmp}/gone-`)) return { path, lock };
    const aside = within(store.tmp, `gone-${crypto.randomUUID()}`);
    renameSync(path, aside);
    return { path: aside, lock };
  });
}

/** Removes trees and lets go of their locks. */
export function removeTrees(
  store: StorePaths,
  trees: readonly LockedTree[],
  mapFlags: readonly string[],
): void {
  try {
    const paths = moveAside(store, trees).map(({ path }) => path);
    for (let i = 0; i < paths.length; i += PATHS_PER_HELPER) {
      const some = paths.slice(i, i + PATHS_PER_HELPER);
      runHelper(["remove", ...mapFlags, ...some], `Cannot remove from the store "${store.root}"`);
    }
  } finally {
    for (const { lock } of trees) lock.release();
  }
}
