/** `hb history`: the steps that made an image, in docker's columns. */

import { additionalStores, storeWith } from "../additional.ts";
import { parseConfig } from "../image/config.ts";
import { digestHex, shortDigest } from "../image/digest.ts";
import { type HistoryEntry, parseHistory } from "../image/history.ts";
import { hostPlatform, parsePlatform } from "../image/platform.ts";
import type { HistoryOptions } from "../options/images.ts";
import { type Column, formatListing } from "../output/listing.ts";
import { formatTime, humanAge, humanSize, printResult } from "../output.ts";
import { readBlob } from "../store/blobs.ts";
import { layerSize } from "../store/layers.ts";
import { currentStore, type StorePaths } from "../store/layout.ts";
import { selectImage } from "../store/select.ts";

/** What docker writes for the ids of steps that are no image here. */
const MISSING = "<missing>";
const CREATED_BY_MAX = 45;

/** One step in docker's words. */
interface HistoryRow {
  readonly ID: string;
  readonly CreatedAt: string;
  readonly CreatedSince: string;
  readonly CreatedBy: string;
  readonly Size: string;
  readonly Comment: string;
}

const headings: Readonly<Record<keyof HistoryRow, string>> = {
  ID: "IMAGE",
  CreatedAt: "CREATED AT",
  CreatedSince: "CREATED",
  CreatedBy: "CREATED BY",
  Size: "SIZE",
  Comment: "COMMENT",
};

/** A table, ids only (`-q`), or what `--format` says; the last step first. */
export async function history(options: HistoryOptions): Promise<number> {
  const others = additionalStores(options.store);
  const store = storeWith(currentStore(), others, options.image);
  const host = hostPlatform(process.arch);
  const wanted = options.platform === undefined ? host : parsePlatform(options.platform, host);
  const { record } = selectImage(store, options.image, wanted, options.platform !== undefined);
  const bytes = readBlob(store, record.config);
  const id = options.noTrunc ? record.config : shortDigest(record.config);
  const steps = parseHistory(bytes);
  const sizes = sizesOf(store, steps, parseConfig(bytes).rootfs.diff_ids.map(digestHex));
  const now = Date.now();
  const rows = steps
    .map((step, i) => describe(step, sizes[i] ?? 0, options, now))
    .reverse()
    .map((row, i): HistoryRow => ({ ...row, ID: i === 0 ? id : MISSING }));
  if (options.quiet && options.format === "table") {
    for (const row of rows) printResult(row.ID);
    return 0;
  }
  const shown = ["ID", options.human ? "CreatedSince" : "CreatedAt", "CreatedBy"] as const;
  const columns: Column<HistoryRow>[] = [...shown, "Size" as const, "Comment" as const].map(
    (field) => ({ heading: headings[field], field }),
  );
  for (const line of formatListing(rows, options.format, columns, headings)) printResult(line);
  return 0;
}

/** Of each step the size of its layer; the steps that made one are in the layers' order. */
function sizesOf(
  store: StorePaths,
  steps: readonly HistoryEntry[],
  layers: readonly string[],
): number[] {
  const rest = [...layers];
  return steps.map(({ empty_layer: isEmpty }) => {
    const layer = isEmpty ? undefined : rest.shift();
    return layer === undefined ? 0 : layerSize(store, layer);
  });
}

function describe(
  step: HistoryEntry,
  size: number,
  { human, noTrunc }: HistoryOptions,
  now: number,
): Omit<HistoryRow, "ID"> {
  const created = new Date(step.created ?? Number.NaN);
  const isDated = !Number.isNaN(created.getTime());
  // A command may have line ends, and a row has none.
  const command = step.created_by.replaceAll(/[\t\n]/g, " ");
  const isLong = !noTrunc && [...command].length > CREATED_BY_MAX;
  return {
    CreatedAt: isDated ? formatTime(created) : "N/A",
    CreatedSince: isDated ? humanAge(now - created.getTime()) : "N/A",
    CreatedBy: isLong ? `${[...command].slice(0, CREATED_BY_MAX - 1).join("")}…` : command,
    Size: human ? humanSize(size) : String(size),
    Comment: step.comment,
  };
}
