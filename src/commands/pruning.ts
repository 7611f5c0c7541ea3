/** What `hb prune` and `hb clean` do: the same, under the two names people look for. */

import { parseSize } from "../container/units.ts";
import { HbError, UsageError } from "../errors.ts";
import { currentIdentity, helperMapFlags } from "../host/identity.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import { sweepCgroups } from "../lifecycle/cgroup-sweep.ts";
import { removeEnded } from "../lifecycle/end.ts";
import { type Prunable, parsePruneFilters } from "../lifecycle/prune-filter.ts";
import type { Known } from "../lifecycle/select.ts";
import { describe, labelsOf } from "../lifecycle/summary.ts";
import { sweepDeadLeases } from "../network/leases.ts";
import type { PruneOptions } from "../options.ts";
import { humanSize, printNotice, printResult } from "../output.ts";
import type { StoredImage } from "../store/images.ts";
import { createStore, currentStore, type StorePaths, storeError } from "../store/layout.ts";
import { leastUsedOf } from "../store/least-used.ts";
import { readCreated, readListed } from "../store/listed.ts";
import { type Pruned, type Pruning, pruneStore } from "../store/prune.ts";
import { sweep } from "../store/sweep.ts";

/** Prunes the caller's store and prints what that freed. */
export function pruneAndReport(options: PruneOptions): number {
  const { containers, images, filter } = options;
  const store = currentStore();
  const mapFlags = helperMapFlags(currentIdentity());
  const isMeant = parsePruneFilters(filter, Date.now());
  const choose = chooser(store, options, isMeant);
  createStore(store, process.geteuid?.() ?? 0);
  const resisting = sweep(store, mapFlags) ?? (mapFlags.length > 0 ? undefined : sweepDeadLeases());
  let pruned: Pruned = { images: 0, layers: 0, bytes: 0, inUse: [] };
  let ended = 0;
  try {
    if (!images) {
      const isAsked = (known: Known) => filter.length === 0 || isMeant(aboutContainer(known));
      ended = removeEnded(store, mapFlags, isAsked);
    }
    sweepCgroups(store.root);
    if (!containers) pruned = pruneStore(store, { mapFlags, ...(choose && { choose }) });
  } catch (error) {
    throw storeError(store, error);
  }
  for (const { record } of options.all ? pruned.inUse : []) {
    printNotice(`${familiarName(parseReference(record.reference))} stays: it is in use`);
  }
  printResult(summary(pruned, ended));
  // Garbage that cannot be removed is this command's failure, if no other's.
  if (resisting !== undefined) throw resisting;
  return 0;
}

/** Which images go; undefined where none do. */
function chooser(
  store: StorePaths,
  { all, containers, keep, filter }: PruneOptions,
  isMeant: (thing: Prunable) => boolean,
): Pruning["choose"] {
  if (containers && (all || keep !== undefined)) {
    throw new UsageError(`Cannot use ${all ? "--all" : "--keep"} together with --containers`, {
      hint: "both are about images: leave one out",
    });
  }
  const keepBytes = keep === undefined ? undefined : parseSize(keep, "--keep");
  if (!all && keepBytes === undefined) return undefined;
  return (unused) => {
    const some = filter.length === 0 ? unused : unused.filter((each) => isMeant(about(each)));
    return keepBytes === undefined ? some : leastUsedOf(store, some, keepBytes);
  };

  function about({ record }: StoredImage): Prunable {
    const read = filter.some((text) => text.startsWith("label")) ? readListed : readCreated;
    const { created, labels } = read(store, record);
    return { labels, createdMs: created?.getTime() };
  }
}

/** A container whose plan cannot be read says nothing, so no filter is known to mean it. */
function aboutContainer(known: Known): Prunable {
  try {
    const { plan } = describe(known);
    return { labels: labelsOf(plan), createdMs: Date.parse(plan.hb.origin?.createdAt ?? "") };
  } catch (error) {
    if (error instanceof HbError) return { labels: {}, createdMs: Number.POSITIVE_INFINITY };
    throw error;
  }
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
