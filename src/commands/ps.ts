/** `hb ps`: the containers there are, in docker's columns. */

import { HbError } from "../errors.ts";
import { filterContainers, looksAtEnded } from "../lifecycle/filter.ts";
import { type PsRow, psRow } from "../lifecycle/ps-row.ts";
import { type Described, describeAll } from "../lifecycle/summary.ts";
import type { PsOptions } from "../options/containers.ts";
import { type Column, formatListing } from "../output/listing.ts";
import { printResult } from "../output.ts";
import { currentStore } from "../store/layout.ts";

const columns: readonly Column<PsRow>[] = [
  { heading: "CONTAINER ID", field: "ID" },
  { heading: "IMAGE", field: "Image" },
  { heading: "COMMAND", field: "Command" },
  { heading: "CREATED", field: "RunningFor" },
  { heading: "STATUS", field: "Status" },
  { heading: "PORTS", field: "Ports" },
  { heading: "NAMES", field: "Names" },
];

const headings: Readonly<Record<keyof PsRow, string>> = {
  Command: "COMMAND",
  CreatedAt: "CREATED AT",
  ID: "CONTAINER ID",
  Image: "IMAGE",
  Labels: "LABELS",
  Label: "LABEL",
  LocalVolumes: "LOCAL VOLUMES",
  Mounts: "MOUNTS",
  Names: "NAMES",
  Networks: "NETWORKS",
  Ports: "PORTS",
  RunningFor: "CREATED",
  Size: "SIZE",
  State: "STATE",
  Status: "STATUS",
};

/** Lists running containers, or all; the latest first. */
export async function ps(options: PsOptions): Promise<number> {
  const { format, noTrunc, quiet, size } = options;
  const chosen = choose(describeAll(currentStore()), options);
  if (quiet) {
    for (const { known } of chosen) printResult(noTrunc ? known.id : known.id.slice(0, 12));
    return 0;
  }
  const needsSize = size || /\.Size\b/.test(format);
  const now = Date.now();
  const rows = chosen.map((each) => psRow(each, { now, noTrunc, size: needsSize }));
  const sized: Column<PsRow>[] = size ? [{ heading: "SIZE", field: "Size" }] : [];
  for (const line of formatListing(rows, format, [...columns, ...sized], headings)) {
    printResult(line);
  }
  return 0;
}

function choose(all: readonly Described[], options: PsOptions): readonly Described[] {
  const { filter, last, latest } = options;
  const count = latest ? 1 : countOf(last);
  const isAll = options.all || count !== undefined || looksAtEnded(filter);
  const some = isAll ? all : all.filter(({ state }) => isListed(state.status));
  return filterContainers(some, filter).slice(0, count);
}

/** docker lists what is between two runs as running. */
function isListed(status: string): boolean {
  return ["running", "paused", "restarting"].includes(status);
}

function countOf(last: string | undefined): number | undefined {
  if (last === undefined) return undefined;
  if (/^\d+$/.test(last)) return Number(last);
  if (last === "-1") return undefined;
  throw new HbError(`Cannot use --last ${JSON.stringify(last)}`, { hint: "write a number" });
}
