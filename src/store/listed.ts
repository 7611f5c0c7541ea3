/** What listings and filters want to know of an image beyond its record. */

import { HbError } from "../errors.ts";
import { readBlob } from "./blobs.ts";
import type { ListedImage } from "./filter.ts";
import type { ImageRecord } from "./images.ts";
import type { StorePaths } from "./layout.ts";

/** What the config says. A listing survives a damaged one; `inspect` says what is wrong. */
export function readListed(store: StorePaths, record: ImageRecord): ListedImage {
  try {
    const text = new TextDecoder().decode(readBlob(store, record.config));
    const { created, config } = JSON.parse(text) as {
      readonly created?: unknown;
      readonly config?: { readonly Labels?: Readonly<Record<string, unknown>> | null } | null;
    };
    const date = new Date(typeof created === "string" ? created : Number.NaN);
    const labels = config?.Labels ?? {};
    return { record, labels, ...(!Number.isNaN(date.getTime()) && { created: date }) };
  } catch (error) {
    if (error instanceof HbError || error instanceof SyntaxError) return { record, labels: {} };
    throw error;
  }
}
