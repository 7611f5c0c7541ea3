/** `hb images`: what is in the store, in docker's columns. */

import { HbError } from "../errors.ts";
import { digestHex, shortDigest } from "../image/digest.ts";
import { formatPlatform } from "../image/platform.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import type { ImagesOptions } from "../options.ts";
import { formatTable, humanAge, humanSize, printResult } from "../output.ts";
import { readBlob } from "../store/blobs.ts";
import { type ImageRecord, listImages } from "../store/images.ts";
import { currentStore, type StorePaths } from "../store/layout.ts";
import { filterImages } from "../store/select.ts";

const NONE = "<none>";

/** A table, ids only (`-q`), or one JSON object per line. */
export async function images(options: ImagesOptions): Promise<number> {
  const store = currentStore();
  const all = listImages(store);
  const chosen = options.image === undefined ? all : filterImages(all, options.image);
  const records = chosen.map(({ record }) => record);
  if (options.quiet) {
    for (const id of new Set(records.map(({ config }) => shortDigest(config)))) printResult(id);
    return 0;
  }
  const rows = records.map((record) => describe(store, record, Date.now()));
  if (options.format === "json") {
    for (const row of rows) printResult(JSON.stringify(row));
    return 0;
  }
  const headings = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];
  const cells = rows.map((row) => [row.Repository, row.Tag, row.ID, row.CreatedSince, row.Size]);
  for (const line of formatTable(headings, cells)) printResult(line);
  return 0;
}

/** One image in the words of docker's `--format json`. */
function describe(store: StorePaths, record: ImageRecord, now: number) {
  const reference = parseReference(record.reference);
  const { registry, repository, tag, digest } = reference;
  const created = createdAt(store, record);
  return {
    Repository: familiarName({ registry, repository }),
    Tag: digest === undefined ? (tag ?? NONE) : NONE,
    ID: digestHex(record.config).slice(0, 12),
    Digest: record.index ?? record.manifest,
    CreatedAt: created?.toISOString() ?? "N/A",
    CreatedSince: created === undefined ? "N/A" : humanAge(now - created.getTime()),
    Size: humanSize(record.sizeBytes),
    Platform: formatPlatform(record.platform),
  };
}

/** When the image was built. A listing survives a damaged config; `inspect` says what is wrong. */
function createdAt(store: StorePaths, record: ImageRecord): Date | undefined {
  try {
    const text = new TextDecoder().decode(readBlob(store, record.config));
    const { created } = JSON.parse(text) as { readonly created?: unknown };
    const date = new Date(typeof created === "string" ? created : Number.NaN);
    return Number.isNaN(date.getTime()) ? undefined : date;
  } catch (error) {
    if (error instanceof HbError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
