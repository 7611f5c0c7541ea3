/** What listings and filters want to know of an image beyond its record. */

import { HbError } from "../errors.ts";
import { readBlob } from "./blobs.ts";
import type { ListedImage } from "./filter.ts";
import type { ImageRecord } from "./images.ts";
import type { StorePaths } from "./layout.ts";

/** When the image was made, without its labels: of most the record says it. */
export function readCreated(store: StorePaths, record: ImageRecord): ListedImage {
  if (record.created === undefined) return readListed(store, record);
  return { record, labels: {}, ...dated(record.created) };
}

/** What the config says. A listing survives a damaged one; `inspect` says what is wrong. */
export function readListed(store: StorePaths, record: ImageRecord): ListedImage {
  try {
    const text = new TextDecoder().decode(readBlob(store, record.config));
    const { created, config } = JSON.parse(text) as {
      readonly created?: unknown;
      readonly config?: { readonly Labels?: Readonly<Record<string, unknown>> | null } | null;
    };
    const labels = config?.Labels ?? {};
    return { record, labels, ...(typeof created === "string" && dated(created)) };
  } catch (error) {
    if (error instanceof HbError || error instanceof SyntaxError) return { record, labels: {} };
    throw error;
  }
}

function dated(text: string): Pick<ListedImage, "created"> {
  const created = new Date(text);
  return Number.isNaN(created.getTime()) ? {} : { created };
}
