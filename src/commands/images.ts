/** `hb images`: what is in the store, in docker's columns. */

import { additionalStores, listEverywhere, storeWith } from "../additional.ts";
import { HbError } from "../errors.ts";
import { digestHex, shortDigest } from "../image/digest.ts";
import { formatPlatform } from "../image/platform.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import type { ImagesOptions } from "../options.ts";
import { type Column, formatListing } from "../output/listing.ts";
import { formatTime, humanAge, humanSize, printResult } from "../output.ts";
import { filterListed, type ListedImage } from "../store/filter.ts";
import { currentStore, type StorePaths } from "../store/layout.ts";
import { readCreated, readListed } from "../store/listed.ts";
import { filterImages, selectImages } from "../store/select.ts";

const NONE = "<none>";

/** One image in docker's words. */
interface ImageRow {
  readonly Repository: string;
  readonly Tag: string;
  readonly ID: string;
  readonly Digest: string;
  readonly CreatedAt: string;
  readonly CreatedSince: string;
  readonly Size: string;
  readonly Platform: string;
  readonly Store: string;
  /** `true` of an additional store. */
  readonly ReadOnly: string;
}

const headings: Readonly<Record<keyof ImageRow, string>> = {
  Repository: "REPOSITORY",
  Tag: "TAG",
  Digest: "DIGEST",
  ID: "IMAGE ID",
  CreatedAt: "CREATED AT",
  CreatedSince: "CREATED",
  Size: "SIZE",
  Platform: "PLATFORM",
  Store: "STORE",
  ReadOnly: "R/O",
};

/** A table, ids only (`-q`), or what `--format` says. */
export async function images(options: ImagesOptions): Promise<number> {
  const store = currentStore();
  const chosen = choose(store, options);
  if (isIdsOnly(options)) {
    const ids = chosen.map(({ image: { record } }) =>
      options.noTrunc ? record.config : shortDigest(record.config),
    );
    for (const id of new Set(ids)) printResult(id);
    return 0;
  }
  const now = Date.now();
  const rows = chosen.map(({ image, store: { root } }) => ({
    ...describe(image, options.noTrunc, now),
    Store: root,
    ReadOnly: String(root !== store.root),
  }));
  for (const line of formatListing(rows, options.format, columnsOf(options), headings)) {
    printResult(line);
  }
  return 0;
}

/** As docker has it, a format says more than --quiet. */
function isIdsOnly({ quiet, format }: ImagesOptions): boolean {
  return quiet && format === "table";
}

/** What is to be shown, and the store that each is in. */
function choose(
  store: StorePaths,
  options: ImagesOptions,
): { readonly image: ListedImage; readonly store: StorePaths }[] {
  const { image, filter } = options;
  const others = additionalStores(options.store);
  const located = listEverywhere(store, others);
  const stores = new Map(located.map((each) => [each.image, each.store]));
  const all = [...stores.keys()];
  const named = image === undefined ? all : filterImages(all, image);
  // Only labels are not in the records: a thousand images' configs take as long to read as those.
  const read = filter.some((text) => /^\s*label/i.test(text)) ? readListed : readCreated;
  const places = new Map<ListedImage, StorePaths>();
  for (const found of named) {
    const where = stores.get(found) ?? store;
    places.set(read(where, found.record), where);
  }
  const listed = filterListed([...places.keys()], filter, (text) => {
    const where = storeWith(store, others, text);
    const [found] = selectImages(where, text).images;
    if (found !== undefined) return readListed(where, found.record);
    throw new HbError(`No such image: ${text}`, { hint: "see 'hb images'" });
  });
  return listed.map((image) => ({ image, store: places.get(image) ?? store }));
}

function columnsOf({ digests }: ImagesOptions): Column<ImageRow>[] {
  const fields = ["Repository", "Tag", ...(digests ? ["Digest" as const] : [])] as const;
  const shown = [...fields, "ID", "CreatedSince", "Size"] as const;
  return shown.map((field) => ({ heading: headings[field], field }));
}

function describe({ record, created }: ListedImage, whole: boolean, now: number) {
  const { registry, repository, tag, digest } = parseReference(record.reference);
  return {
    Repository: familiarName({ registry, repository }),
    Tag: digest === undefined ? (tag ?? NONE) : NONE,
    ID: whole ? record.config : digestHex(record.config).slice(0, 12),
    Digest: record.index ?? record.manifest,
    CreatedAt: created === undefined ? "N/A" : formatTime(created),
    CreatedSince: created === undefined ? "N/A" : humanAge(now - created.getTime()),
    Size: humanSize(record.sizeBytes),
    Platform: formatPlatform(record.platform),
  };
}
