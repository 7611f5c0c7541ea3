/** Which images go when the store is to become smaller: those that were not used for longest. */

import { type ImageRecord, lastUseMs, listImages, type StoredImage } from "./images.ts";
import { layersOfContainers, listLayers, takenBytes } from "./layers.ts";
import type { StorePaths } from "./layout.ts";

/** An image that may go. */
export interface Candidate {
  readonly record: Pick<ImageRecord, "layers">;
  readonly lastUseMs: number;
}

/** What there is besides. */
export interface Occupied {
  /** Every layer that somebody needs, and its bytes. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Layers of what may not go. */
  readonly needed: Iterable<string>;
}

/**
 * The candidates that have to go until all layers together take no more than `keepBytes`, the least
 * recently used first. A layer is freed with the last image that has it.
 */
export function chooseLeastUsed<Image extends Candidate>(
  candidates: readonly Image[],
  { sizes, needed }: Occupied,
  keepBytes: number,
): Image[] {
  const owners = new Map<string, number>();
  for (const name of needed) owners.set(name, Number.POSITIVE_INFINITY);
  for (const name of candidates.flatMap(({ record }) => record.layers)) {
    owners.set(name, (owners.get(name) ?? 0) + 1);
  }
  let bytes = [...owners.keys()].reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
  const going: Image[] = [];
  for (const image of [...candidates].sort((a, b) => a.lastUseMs - b.lastUseMs)) {
    if (bytes <= keepBytes) break;
    going.push(image);
    for (const name of image.record.layers) {
      const left = (owners.get(name) ?? 1) - 1;
      owners.set(name, left);
      if (left === 0) bytes -= sizes.get(name) ?? 0;
    }
  }
  return going;
}

/** `chooseLeastUsed` among the `unused` images of the store. */
export function leastUsedOf(
  store: StorePaths,
  unused: readonly StoredImage[],
  keepBytes: number,
): StoredImage[] {
  const candidates = unused.map((image) => ({ ...image, lastUseMs: lastUseMs(image.file) }));
  const files = new Set(unused.map(({ file }) => file));
  const staying = listImages(store).filter(({ file }) => !files.has(file));
  const needed = [
    ...staying.flatMap(({ record }) => record.layers),
    ...layersOfContainers(store).keys(),
  ];
  return chooseLeastUsed(candidates, { sizes: layerSizes(store), needed }, keepBytes);
}

/** Bytes of all layers there are. */
export function storedBytes(store: StorePaths): number {
  return [...layerSizes(store).values()].reduce((sum, bytes) => sum + bytes, 0);
}

function layerSizes(store: StorePaths): ReadonlyMap<string, number> {
  return new Map(listLayers(store).map((name) => [name, takenBytes(store, name)]));
}
