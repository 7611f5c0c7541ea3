/** What `hb prune` and `hb clean` do: the same, under the two names people look for. */

import { currentIdentity, helperMapFlags } from "../host/identity.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import { sweepCgroups } from "../lifecycle/cgroup-sweep.ts";
import { removeEnded } from "../lifecycle/end.ts";
import { sweepDeadLeases } from "../network/leases.ts";
import type { PruneOptions } from "../options.ts";
import { humanSize, printNotice, printResult } from "../output.ts";
import { createStore, currentStore, storeError } from "../store/layout.ts";
import { type Pruned, pruneStore } from "../store/prune.ts";
import { sweep } from "../store/sweep.ts";

/** Prunes the caller's store and prints what that freed. */
export function pruneAndReport({ all, containers, images }: PruneOptions): number {
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const mapFlags = helperMapFlags(currentIdentity());
  const resisting = sweep(store, mapFlags) ?? (mapFlags.length > 0 ? undefined : sweepDeadLeases());
  let pruned: Pruned = { images: 0, layers: 0, bytes: 0, inUse: [] };
  let ended = 0;
  try {
    if (!images) ended = removeEnded(store, mapFlags);
    sweepCgroups(store.root);
    if (!containers) pruned = pruneStore(store, { all, mapFlags });
  } catch (error) {
    throw storeError(store, error);
  }
  for (const { record } of pruned.inUse) {
    printNotice(`${familiarName(parseReference(record.reference))} stays: it is in use`);
  }
  printResult(summary(pruned, ended));
  // Garbage that cannot be removed is this command's failure, if no other's.
  if (resisting !== undefined) throw resisting;
  return 0;
}

function summary({ images, layers, bytes }: Pruned, containers: number): string {
  const counts = [
    count(images, "image"),
    count(layers, "layer"),
    count(containers, "container"),
  ].filter((text) => text !== "");
  if (counts.length === 0) return "Nothing to remove";
  return `Removed ${counts.join(", ")}: ${humanSize(bytes)} freed`;
}

function count(n: number, noun: string): string {
  return n === 0 ? "" : `${n} ${noun}${n === 1 ? "" : "s"}`;
}
