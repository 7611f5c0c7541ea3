/**
 * How much of the disk the images take and how much of that nothing runs on. Sizes are those that
 * were written down when the layers were unpacked, each layer counted once.
 */

import { type ImageRecord, listImages } from "./images.ts";
import { listLayers, takenBytes } from "./layers.ts";
import type { StorePaths } from "./layout.ts";

/** What containers stand on. */
export interface InUse {
  /** Layers, by name. */
  readonly layers: ReadonlySet<string>;
  /** Images' ids, and how many containers each has. */
  readonly images: ReadonlyMap<string, number>;
}

/** One image's part. */
export interface ImageSpace {
  readonly record: ImageRecord;
  readonly containers: number;
  readonly bytes: number;
  /** Of layers that other images have as well. */
  readonly sharedBytes: number;
}

/** The part of one kind of things. */
export interface Space {
  readonly total: number;
  readonly active: number;
  readonly bytes: number;
  readonly reclaimableBytes: number;
}

/** The images' parts, one by one and together, and that of the layers no image has. */
export function storeSpace(
  store: StorePaths,
  inUse: InUse,
): { readonly each: readonly ImageSpace[]; readonly images: Space; readonly unnamed: Space } {
  const records = distinct(listImages(store).map(({ record }) => record));
  const sizes = new Map(listLayers(store).map((name) => [name, takenBytes(store, name)]));
  const sum = (names: Iterable<string>) =>
    [...names].reduce((bytes, name) => bytes + (sizes.get(name) ?? 0), 0);
  const owners = new Map<string, number>();
  for (const name of records.flatMap(({ layers }) => layers)) {
    owners.set(name, (owners.get(name) ?? 0) + 1);
  }
  const each = records.map((record) => ({
    record,
    containers: inUse.images.get(record.config) ?? 0,
    bytes: sum(record.layers),
    sharedBytes: sum(record.layers.filter((name) => (owners.get(name) ?? 0) > 1)),
  }));
  const active = each.filter(({ containers }) => containers > 0);
  const needed = new Set([...inUse.layers, ...active.flatMap(({ record }) => record.layers)]);
  const unnamed = [...sizes.keys()].filter((name) => !owners.has(name));
  const free = (names: Iterable<string>) => sum([...names].filter((name) => !needed.has(name)));
  return {
    each,
    images: {
      total: each.length,
      active: active.length,
      bytes: sum(owners.keys()),
      reclaimableBytes: free(owners.keys()),
    },
    unnamed: {
      total: unnamed.length,
      active: unnamed.filter((name) => needed.has(name)).length,
      bytes: sum(unnamed),
      reclaimableBytes: free(unnamed),
    },
  };
}

/** An image is its config, as in docker: other names of it take nothing. */
function distinct(records: readonly ImageRecord[]): ImageRecord[] {
  return [...new Map(records.map((record) => [record.config, record])).values()];
}
