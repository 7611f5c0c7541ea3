/**
 * Additional stores (`--store`, HB_ADDITIONAL_STORES): ordinary stores that are only read, so that
 * a machine image can bring images along. The caller's own comes first; what cannot be used of the
 * others is said in a notice and left out.
 */

import { resolve } from "node:path";
import { HbError } from "./errors.ts";
import { currentIdentity, helperMapFlags, layerForm } from "./host/identity.ts";
import type { Platform } from "./image/platform.ts";
import type { Reference } from "./image/reference.ts";
import { printNotice } from "./output.ts";
import { forgetIfLost, haveForm, linkLayer, otherStoreDefect } from "./store/elsewhere.ts";
import { findImage, type ImageRecord, listImages, type StoredImage } from "./store/images.ts";
import { HeldLayers } from "./store/layers.ts";
import { openStore, type StorePaths } from "./store/layout.ts";
import { selectImages } from "./store/select.ts";

/** An image and the store it is in. */
export interface LocatedImage {
  readonly store: StorePaths;
  readonly image: StoredImage;
}

/** The stores of the flags, then those of the environment; what each lacks has been said. */
export function additionalStores(
  asked: readonly string[],
  variable = process.env.HB_ADDITIONAL_STORES ?? "",
): readonly StorePaths[] {
  const paths = [...asked, ...variable.split(":")].filter((path) => path !== "");
  const stores = [...new Set(paths.map((path) => resolve(path)))].map(openStore);
  return stores.filter((store) => {
    const defect = otherStoreDefect(store, process.geteuid?.() ?? 0);
    if (defect !== undefined) printNotice(`the store "${store.root}" is left out: ${defect}`);
    return defect === undefined;
  });
}

/** The first of `stores` that has the image, all of it fit for the caller. */
export function findElsewhere(
  stores: readonly StorePaths[],
  reference: Reference,
  platform: Platform,
): { readonly store: StorePaths; readonly record: ImageRecord } | undefined {
  const form = currentForm();
  for (const store of stores) {
    const record = unlessDamaged(store, () => findImage(store, reference, platform));
    if (record === undefined) continue;
    if (haveForm(store, record.layers, form)) return { store, record };
    printNotice(unfit(store, record.reference));
  }
  return undefined;
}

/** Makes the layers of an image of another store known in `own`; links are all that is made. */
export function borrowLayers(
  own: StorePaths,
  { store, record }: { readonly store: StorePaths; readonly record: ImageRecord },
  mapFlags: readonly string[],
): void {
  // Nothing names the links yet: they are held until this process ends or becomes a supervisor.
  const held = new HeldLayers(own);
  for (const name of record.layers) {
    forgetIfLost(own, name, mapFlags);
    while (!held.hold(name)) linkLayer(own, store, name);
  }
}

/** The images of the caller's own store, and those of the others that no earlier store names. */
export function listEverywhere(own: StorePaths, stores: readonly StorePaths[]): LocatedImage[] {
  const located: LocatedImage[] = listImages(own).map((image) => ({ store: own, image }));
  if (stores.length === 0) return located;
  const form = currentForm();
  const placeOf = ({ store, image }: LocatedImage) => image.file.slice(store.images.length);
  const seen = new Set(located.map(placeOf));
  const elsewhere = stores.flatMap((store) => {
    const images = unlessDamaged(store, () => listImages(store)) ?? [];
    return images.map((image) => ({ store, image }));
  });
  for (const each of elsewhere) {
    const { store, image } = each;
    if (seen.has(placeOf(each))) continue;
    if (!haveForm(store, image.record.layers, form)) {
      printNotice(unfit(store, image.record.reference));
      continue;
    }
    seen.add(placeOf(each));
    located.push(each);
  }
  return located;
}

/** The store in which to look for the image that `text` means: the caller's, if none has it. */
export function storeWith(
  own: StorePaths,
  stores: readonly StorePaths[],
  text: string,
): StorePaths {
  const has = (store: StorePaths) => selectImages(store, text).images.length > 0;
  if (stores.length === 0 || has(own)) return own;
  return stores.find((store) => unlessDamaged(store, () => has(store)) ?? false) ?? own;
}

/** What is looked for and where. */
export interface Search {
  readonly stores: readonly StorePaths[];
  /** The caller's. */
  readonly form: string;
}

/** Makes the layer of the first store that has it one of `own`, by a link; false: none has it. */
export function linkFrom({ stores, form }: Search, own: StorePaths, name: string): boolean {
  const other = stores.find((store) => haveForm(store, [name], form));
  if (other === undefined) return false;
  linkLayer(own, other, name);
  return true;
}

/** What cannot be read there is no failure of what is done here. */
function unlessDamaged<T>(store: StorePaths, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof HbError)) throw error;
    printNotice(`the store "${store.root}" is left out: ${error.message}`);
    return undefined;
  }
}

function currentForm(): string {
  return layerForm(helperMapFlags(currentIdentity()));
}

function unfit(store: StorePaths, name: string): string {
  return `${name} in the store "${store.root}" is left out: it was unpacked for other user ids`;
}
