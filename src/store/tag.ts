/** Names for images that are in the store: records copied under another reference. */

import { basename } from "node:path";
import { HbError } from "../errors.ts";
import { formatReference, type Reference } from "../image/reference.ts";
import { putBlobs } from "./blobs.ts";
import { type ImageRecord, listImages, type StoredImage, writeRecord } from "./images.ts";
import { collectLayers, HeldLayers } from "./layers.ts";
import { imagePath, type StorePaths, within } from "./layout.ts";

/**
 * Gives `images` the name `reference`, each its platform's record. What had that name and no other
 * leaves the store, unless a container still stands on it.
 */
export function nameImages(
  store: StorePaths,
  images: readonly StoredImage[],
  reference: Reference,
  mapFlags: readonly string[],
): void {
  const directory = imagePath(store, reference);
  const before = listImages(store, directory);
  using held = new HeldLayers(store);
  for (const { record, file } of images) {
    if (!held.holdAll(record.layers)) {
      throw new HbError("a layer of it is missing", { hint: "pull the image again" });
    }
    const named: ImageRecord = { ...record, reference: formatReference(reference) };
    // A collection of blobs between the look at the old record and the new one would take them.
    putBlobs(store, new Map(), () => writeRecord(store, within(directory, basename(file)), named));
  }
  held[Symbol.dispose]();
  const replaced = before.flatMap(({ record }) => record.layers);
  if (replaced.length > 0) collectLayers(store, replaced, mapFlags);
}
