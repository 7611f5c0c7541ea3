/** `hb rmi`: images out of the store, with the layers only they had. */

import { additionalStores, storeWith } from "../additional.ts";
import { formatError, HbError } from "../errors.ts";
import { currentIdentity, helperMapFlags } from "../host/identity.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import type { RmiOptions } from "../options.ts";
import { printNotice, printResult } from "../output.ts";
import { listImages, type StoredImage } from "../store/images.ts";
import { createStore, currentStore, type StorePaths, storeError } from "../store/layout.ts";
import { containersOn, removeImages } from "../store/prune.ts";
import { type Selection, selectImages } from "../store/select.ts";
import { sweep } from "../store/sweep.ts";

/**
 * Removes each image in turn. `--force` takes an id's every name, leaves ended containers without
 * the image they came from, and does not mind what is not there.
 */
export async function rmi(options: RmiOptions): Promise<number> {
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const mapFlags = helperMapFlags(currentIdentity());
  const resisting = sweep(store, mapFlags);
  if (resisting !== undefined) printNotice(formatError(resisting));
  for (const text of options.images) {
    const selection = selectImages(store, text);
    if (selection.images.length > 0) remove(store, text, selection, options.force, mapFlags);
    else if (!options.force) {
      refuseElsewhere(store, text);
      throw new HbError(`No such image: ${text}`, { hint: "see 'hb images'" });
    }
  }
  return 0;
}

/** What is only read is removed by nobody here. */
function refuseElsewhere(own: StorePaths, text: string): void {
  const store = storeWith(own, additionalStores([]), text);
  if (store === own) return;
  throw new HbError(`Cannot remove the image ${text}: it is in the store "${store.root}"`, {
    hint: "that store is only read: leave it out of HB_ADDITIONAL_STORES",
  });
}

function remove(
  store: StorePaths,
  text: string,
  { images, by }: Selection,
  force: boolean,
  mapFlags: readonly string[],
): void {
  if (!force) refuseIfNeeded(store, text, images, by);
  try {
    removeImages(store, images, mapFlags);
  } catch (error) {
    const cause = error instanceof HbError ? error : storeError(store, error);
    throw new HbError(`Cannot remove the image ${text}`, { cause });
  }
  for (const { record } of images) {
    printResult(`Untagged: ${familiarName(parseReference(record.reference))}`);
  }
  const left = new Set(listImages(store).map(({ record }) => record.config));
  for (const config of new Set(images.map(({ record }) => record.config))) {
    if (!left.has(config)) printResult(`Deleted: ${config}`);
  }
}

function refuseIfNeeded(
  store: StorePaths,
  text: string,
  images: readonly StoredImage[],
  by: Selection["by"],
): void {
  const names = new Set(images.map(({ record }) => record.reference));
  if (by === "id" && names.size > 1) {
    throw new HbError(`Cannot remove the image ${text}: it has ${names.size} names`, {
      hint: "remove it by one of them, or all with --force",
    });
  }
  const [container] = containersOn(store, images);
  if (container === undefined) return;
  const id = container.slice(0, 12);
  throw new HbError(`Cannot remove the image ${text}: the container ${id} is made of it`, {
    hint: `remove it with 'hb rm ${id}', or use --force`,
  });
}
