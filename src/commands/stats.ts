/** `hb stats`: what containers use, in docker's columns; a table that is drawn anew each second. */

import { HbError } from "../errors.ts";
import { findContainer, type Known, listKnown, nameOf } from "../lifecycle/select.ts";
import { requireRunning } from "../lifecycle/state.ts";
import { type Described, describe, isAlive } from "../lifecycle/summary.ts";
import { cpuPercent, readUsage, type Transfer, type Usage } from "../lifecycle/usage.ts";
import type { StatsOptions } from "../options/containers.ts";
import { type Column, formatListing } from "../output/listing.ts";
import { humanSize, printResult } from "../output.ts";
import { currentStore, type StorePaths } from "../store/layout.ts";

/** docker's fields. */
interface StatsRow {
  readonly BlockIO: string;
  readonly CPUPerc: string;
  readonly Container: string;
  readonly ID: string;
  readonly MemPerc: string;
  readonly MemUsage: string;
  readonly Name: string;
  readonly NetIO: string;
  readonly PIDs: string;
}

const columns: readonly Column<StatsRow>[] = [
  { heading: "CONTAINER ID", field: "ID" },
  { heading: "NAME", field: "Name" },
  { heading: "CPU %", field: "CPUPerc" },
  { heading: "MEM USAGE / LIMIT", field: "MemUsage" },
  { heading: "MEM %", field: "MemPerc" },
  { heading: "NET I/O", field: "NetIO" },
  { heading: "BLOCK I/O", field: "BlockIO" },
  { heading: "PIDS", field: "PIDs" },
];

const headings: Readonly<Record<keyof StatsRow, string>> = {
  BlockIO: "BLOCK I/O",
  CPUPerc: "CPU %",
  Container: "CONTAINER",
  ID: "CONTAINER ID",
  MemPerc: "MEM %",
  MemUsage: "MEM USAGE / LIMIT",
  Name: "NAME",
  NetIO: "NET I/O",
  PIDs: "PIDS",
};

/** What a share of a CPU is measured over. */
const INTERVAL_MS = 1000;

/** Prints what containers use: once with `--no-stream`, else until there are none or for ever. */
export async function stats(options: StatsOptions): Promise<number> {
  const store = currentStore();
  const named = options.containers.map((text) => findContainer(store, text));
  const isLive = !options.noStream && process.stdout.isTTY === true;
  let before = look(store, named, options.all);
  for (;;) {
    await Bun.sleep(INTERVAL_MS);
    const after = look(store, named, options.all);
    draw(rowsOf(before, after, options), options.format, isLive);
    const areGone = named.length > 0 && after.every(({ usage }) => usage === undefined);
    if (options.noStream || areGone) return 0;
    before = after;
  }
}

/** A container at one moment; without usage it does not run. */
interface Look {
  readonly known: Known;
  readonly usage?: Usage;
}

/** What ends meanwhile is left out, but for those that were asked for. */
function look(store: StorePaths, named: readonly Known[], all: boolean): Look[] {
  const chosen = named.length > 0 ? named : listKnown(store);
  return chosen.flatMap((known) => {
    const usage = usageOf(known);
    return usage === undefined && !all && named.length === 0 ? [] : [{ known, ...usage }];
  });
}

function usageOf(known: Known): { readonly usage: Usage } | undefined {
  try {
    const described: Described = describe(known);
    if (!isAlive(described.state)) return undefined;
    const { namespaces } = described.plan.linux;
    const ownNetwork = namespaces.some(({ type }) => type === "network");
    const container = requireRunning(known, "look at it");
    return { usage: readUsage(container, ownNetwork) };
  } catch (error) {
    // It has just ended, or been removed.
    if (error instanceof HbError) return undefined;
    throw error;
  }
}

function draw(rows: readonly StatsRow[], format: string, isLive: boolean): void {
  const lines = formatListing(rows, format, columns, headings);
  if (!isLive) {
    for (const line of lines) printResult(line);
    return;
  }
  // Home, every line cleared to its end, and what is below as well: nothing flickers (ECMA-48).
  const [home, clearLine, clearBelow] = ["\x1b[H", "\x1b[K", "\x1b[J"];
  process.stdout.write(
    `${home}${lines.map((line) => `${line}${clearLine}\n`).join("")}${clearBelow}`,
  );
}

function rowsOf(
  before: readonly Look[],
  after: readonly Look[],
  { noTrunc }: StatsOptions,
): StatsRow[] {
  const earlier = new Map(before.map((each) => [each.known.id, each.usage]));
  return after.map(({ known, usage }) => {
    const id = noTrunc ? known.id : known.id.slice(0, 12);
    const names = { Container: id, ID: id, Name: nameOf(known) };
    if (usage === undefined) return { ...names, ...nothing };
    const cpu = cpuPercent(earlier.get(known.id) ?? usage, usage);
    return {
      BlockIO: transferText(usage.block),
      CPUPerc: `${cpu.toFixed(2)}%`,
      ...names,
      MemPerc: `${((100 * usage.memory) / usage.memoryLimit).toFixed(2)}%`,
      MemUsage: `${memoryText(usage.memory)} / ${memoryText(usage.memoryLimit)}`,
      NetIO: transferText(usage.network),
      PIDs: String(usage.pids),
    };
  });
}

/** What docker shows of containers that do not run. */
const nothing = {
  ...{ BlockIO: "0B / 0B", CPUPerc: "0.00%", MemPerc: "0.00%" },
  ...{ MemUsage: "0B / 0B", NetIO: "0B / 0B", PIDs: "0" },
};

/** docker's sign for what is not known. */
function transferText(transfer: Transfer | undefined): string {
  if (transfer === undefined) return "-- / --";
  return `${humanSize(transfer.in)} / ${humanSize(transfer.out)}`;
}

/** Binary units and four digits, as docker has memory (units.BytesSize). */
function memoryText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  return `${Number((bytes / 1024 ** power).toPrecision(4))}${units[power]}`;
}
