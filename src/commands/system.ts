/** `hb system df`: what the store takes, in docker's columns. */

import { basename, dirname } from "node:path";
import { UsageError } from "../errors.ts";
import { digestHex } from "../image/digest.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import { writtenBytes } from "../lifecycle/ps-row.ts";
import { nameOf } from "../lifecycle/select.ts";
import { type Described, describeAll, isAlive, statusText } from "../lifecycle/summary.ts";
import type { SystemOptions } from "../options/store.ts";
import { type Column, formatListing } from "../output/listing.ts";
import { formatTable, humanSize, printResult } from "../output.ts";
import { currentStore } from "../store/layout.ts";
import { type ImageSpace, type InUse, type Space, storeSpace } from "../store/space.ts";

/** One kind of things in docker's words. */
interface SpaceRow {
  readonly Type: string;
  readonly TotalCount: string;
  readonly Active: string;
  readonly Size: string;
  readonly Reclaimable: string;
}

const headings: Readonly<Record<keyof SpaceRow, string>> = {
  Type: "TYPE",
  TotalCount: "TOTAL",
  Active: "ACTIVE",
  Size: "SIZE",
  Reclaimable: "RECLAIMABLE",
};

const columns: readonly Column<SpaceRow>[] = (
  ["Type", "TotalCount", "Active", "Size", "Reclaimable"] as const
).map((field) => ({ heading: headings[field], field }));

/** A row for each kind of things, or (`-v`) for each thing. */
export async function system({ verbose, format }: SystemOptions): Promise<number> {
  if (verbose && format !== "table") {
    throw new UsageError("Cannot use --verbose together with --format", {
      hint: "--format is for the rows of 'hb system df'; see also 'hb images' and 'hb ps -as'",
    });
  }
  const store = currentStore();
  const containers = describeAll(store);
  const { each, images, unnamed } = storeSpace(store, usedBy(containers));
  const lines = verbose
    ? [...imageLines(each), "", ...containerLines(containers)]
    : formatListing(
        [
          row("Images", images),
          row("Containers", spaceOf(containers)),
          row("Unused Layers", unnamed),
        ],
        format,
        columns,
        headings,
      );
  for (const line of lines) printResult(line);
  return 0;
}

function usedBy(containers: readonly Described[]): InUse {
  const images = new Map<string, number>();
  for (const { plan } of containers) {
    const id = plan.hb.origin?.imageId ?? "";
    images.set(id, (images.get(id) ?? 0) + 1);
  }
  const lowerdirs = containers.flatMap(({ plan }) => plan.hb.overlay?.lowerdirs ?? []);
  return { images, layers: new Set(lowerdirs.map((path) => basename(dirname(path)))) };
}

function spaceOf(containers: readonly Described[]): Space {
  const sum = (some: readonly Described[]) =>
    some.reduce((bytes, each) => bytes + writtenBytes(each), 0);
  const alive = containers.filter(({ state }) => isAlive(state));
  const ended = containers.filter(({ state }) => !isAlive(state));
  const reclaimableBytes = sum(ended);
  return {
    total: containers.length,
    active: alive.length,
    bytes: reclaimableBytes + sum(alive),
    reclaimableBytes,
  };
}

function row(type: string, { total, active, bytes, reclaimableBytes }: Space): SpaceRow {
  const share = bytes === 0 ? "" : ` (${Math.floor((100 * reclaimableBytes) / bytes)}%)`;
  return {
    Type: type,
    TotalCount: String(total),
    Active: String(active),
    Size: humanSize(bytes),
    Reclaimable: `${humanSize(reclaimableBytes)}${share}`,
  };
}

function imageLines(images: readonly ImageSpace[]): string[] {
  const names = ["IMAGE", "IMAGE ID", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"];
  const rows = images.map(({ record, bytes, sharedBytes, containers }) => [
    familiarName(parseReference(record.reference)),
    digestHex(record.config).slice(0, 12),
    humanSize(bytes),
    humanSize(sharedBytes),
    humanSize(bytes - sharedBytes),
    String(containers),
  ]);
  return formatTable(names, rows);
}

function containerLines(containers: readonly Described[]): string[] {
  const now = Date.now();
  const rows = containers.map((each) => [
    each.known.id.slice(0, 12),
    each.plan.hb.origin?.image ?? "",
    humanSize(writtenBytes(each)),
    statusText(each.state, now),
    nameOf(each.known),
  ]);
  return formatTable(["CONTAINER ID", "IMAGE", "SIZE", "STATUS", "NAMES"], rows);
}
