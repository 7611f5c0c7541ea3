/**
 * Taking things out of the store on request: images, and what nothing needs any more.
 *
 * What runs is never touched: a running container holds its own directory's lock and shared locks
 * on its layers, a pull holds the layers it counts on.
 */

import { HbError } from "../errors.ts";
import { collectBlobs } from "./blobs.ts";
import { listImages, removeImage, type StoredImage } from "./images.ts";
import {
  type Collected,
  collectLayers,
  layersOfContainers,
  listLayers,
  lockUnused,
  releaseLocked,
  removeLocked,
} from "./layers.ts";
import type { StorePaths } from "./layout.ts";

/** What a pruning took away. */
export interface Pruned extends Collected {
  readonly images: number;
  /** Images left because something runs on them or is made of them. */
  readonly inUse: readonly StoredImage[];
}

/** What is to go. */
export interface Pruning {
  /** Of the images nothing runs on, those that go; absent: none do. */
  readonly choose?: (unused: readonly StoredImage[]) => readonly StoredImage[];
  readonly mapFlags: readonly string[];
}

/** Removes the images that are chosen, and then what no image and no container needs. */
export function pruneStore(store: StorePaths, { choose, mapFlags }: Pruning): Pruned {
  const { removed, inUse } =
    choose === undefined ? { removed: 0, inUse: [] } : removeUnusedImages(store, choose);
  const { layers, bytes } = collectLayers(store, listLayers(store), mapFlags);
  return { images: removed, layers, bytes: bytes + collectBlobs(store), inUse };
}

/** Removes `images`' records and the layers only they had; refuses while something runs on them. */
export function removeImages(
  store: StorePaths,
  images: readonly StoredImage[],
  mapFlags: readonly string[],
): Collected {
  const taken = lockUnused(
    store,
    images.flatMap(({ record }) => record.layers),
    images,
  );
  if (taken.busy.length > 0) {
    releaseLocked(taken);
    throw new HbError("it is in use by a running container or a pull", {
      hint: "wait for its end, or stop it",
    });
  }
  for (const image of images) removeImage(store, image);
  const { layers, bytes } = removeLocked(store, taken, mapFlags);
  return { layers, bytes: bytes + collectBlobs(store) };
}

/** The kept containers that stand on layers no image but these has. */
export function containersOn(store: StorePaths, images: readonly StoredImage[]): string[] {
  const files = new Set(images.map(({ file }) => file));
  const others = listImages(store).filter(({ file }) => !files.has(file));
  const shared = new Set(others.flatMap(({ record }) => record.layers));
  const users = layersOfContainers(store);
  const own = images.flatMap(({ record }) => record.layers).filter((name) => !shared.has(name));
  return [...new Set(own.flatMap((name) => users.get(name) ?? []))];
}

/** Removes the records of images nothing runs on; their layers are left to the collection. */
function removeUnusedImages(
  store: StorePaths,
  choose: (unused: readonly StoredImage[]) => readonly StoredImage[],
): { removed: number; inUse: StoredImage[] } {
  const images = listImages(store);
  const taken = lockUnused(store, listLayers(store), images);
  try {
    const busy = new Set(taken.busy);
    const users = layersOfContainers(store);
    // Who runs on an image holds all its layers; some of them may be another's as well.
    const inUse = images.filter(({ record: { layers } }) => {
      return layers.length > 0 && layers.every((name) => busy.has(name) || users.has(name));
    });
    const isInUse = new Set(inUse);
    const chosen = choose(images.filter((image) => !isInUse.has(image)));
    for (const image of chosen) removeImage(store, image);
    return { removed: chosen.length, inUse };
  } finally {
    releaseLocked(taken);
  }
}
