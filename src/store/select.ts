/**
 * Which image records a user's word means: a reference, or the beginning of an image's id.
 *
 * An image's id is its config's digest, as in docker. A reference comes first: `cafe` may be both.
 */

import { HbError } from "../errors.ts";
import { localMeanings } from "../host/short-names.ts";
import { digestHex } from "../image/digest.ts";
import { formatPlatform, matchPlatform, type Platform } from "../image/platform.ts";
import { parseReference, type Reference } from "../image/reference.ts";
import { listImages, type StoredImage } from "./images.ts";
import { imagePath, type StorePaths } from "./layout.ts";

/** How a selection was written. */
export interface Selection {
  readonly images: readonly StoredImage[];
  readonly by: "reference" | "id";
}

/** Every record that `text` means, of all platforms; none is no error. */
export function selectImages(store: StorePaths, text: string): Selection {
  const prefix = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(text)?.[1];
  const isDigest = text.startsWith("sha256:");
  if (!isDigest) {
    const named = localMeanings(text)
      .map((reference) => imagesOf(store, reference))
      .find((images) => images.length > 0);
    if (named !== undefined || prefix === undefined) {
      return { images: named ?? [], by: "reference" };
    }
  }
  if (prefix === undefined) {
    throw new HbError(`Cannot read the image id ${JSON.stringify(text)}`, {
      hint: "give at least four of its hexadecimal digits",
    });
  }
  const images = listImages(store).filter(({ record }) =>
    digestHex(record.config).startsWith(prefix),
  );
  const ids = new Set(images.map(({ record }) => record.config));
  if (ids.size <= 1) return { images, by: "id" };
  throw new HbError(`"${text}" is the beginning of ${ids.size} images' ids`, {
    hint: "give more digits, see 'hb images'",
  });
}

function imagesOf(store: StorePaths, reference: Reference): StoredImage[] {
  // A tag has a directory of its own; what a digest names may have come by any tag.
  const images =
    reference.digest === undefined
      ? listImages(store, imagePath(store, reference))
      : listImages(store);
  return images.filter(({ record }) => isMeant(reference, record));
}

/**
 * The one image that `text` means: of several platforms, `platform`'s. Where that one `isRequired`,
 * no other will do.
 */
export function selectImage(
  store: StorePaths,
  text: string,
  platform: Platform,
  isRequired: boolean,
): StoredImage {
  const { images } = selectImages(store, text);
  const [first] = images;
  if (first === undefined) {
    throw new HbError(`No such image: ${text}`, { hint: "see 'hb images', or pull it first" });
  }
  const fitting = images.find(
    ({ record }) => matchPlatform(platform, record.platform) !== undefined,
  );
  if (fitting !== undefined) return fitting;
  if (!isRequired) return first;
  throw new HbError(`No such image: ${text} for ${formatPlatform(platform)}`, {
    hint: `pull it with 'hb pull --platform ${formatPlatform(platform)} ${text}'`,
  });
}

/** The records of one repository, or of one reference if `text` has a tag or digest. */
export function filterImages(images: readonly StoredImage[], text: string): StoredImage[] {
  const meanings = localMeanings(text);
  const isWhole = text.includes("@") || text.lastIndexOf(":") > text.lastIndexOf("/");
  return images.filter(({ record }) => {
    if (isWhole) return meanings.some((reference) => isMeant(reference, record));
    const { registry, repository } = parseReference(record.reference);
    return meanings.some((each) => each.registry === registry && each.repository === repository);
  });
}

function isMeant(reference: Reference, record: StoredImage["record"]): boolean {
  const { registry, repository, tag } = parseReference(record.reference);
  if (registry !== reference.registry || repository !== reference.repository) return false;
  if (reference.digest === undefined) {
    return tag === reference.tag && !record.reference.includes("@");
  }
  return [record.manifest, record.index].includes(reference.digest);
}
