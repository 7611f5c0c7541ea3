/** One line of `hb ps`: docker's fields of one container. */

import { lstatSync, readdirSync } from "node:fs";
import { formatTime, humanAge, humanSize } from "../output.ts";
import { within } from "../store/layout.ts";
import { nameOf } from "./select.ts";
import {
  type Described,
  hostEndpoints,
  isAlive,
  labelsOf,
  networkName,
  publishedPorts,
  statusText,
} from "./summary.ts";

/** docker's placeholders of `docker ps --format`. */
export interface PsRow {
  readonly Command: string;
  readonly CreatedAt: string;
  readonly ID: string;
  readonly Image: string;
  readonly Labels: string;
  readonly LocalVolumes: string;
  readonly Mounts: string;
  readonly Names: string;
  readonly Networks: string;
  readonly Ports: string;
  readonly RunningFor: string;
  readonly Size: string;
  readonly State: string;
  readonly Status: string;
  /** `{{.Label "x"}}`. */
  readonly Label: (name: string) => string;
}

export interface RowOptions {
  readonly now: number;
  readonly noTrunc: boolean;
  /** Sizes are counted file by file. */
  readonly size: boolean;
}

const COMMAND_MAX = 20;

/** The row of a container. */
export function psRow(described: Described, { now, noTrunc, size }: RowOptions): PsRow {
  const { known, plan, state } = described;
  const created = new Date(plan.hb.origin?.createdAt ?? 0);
  const mounts = bindSources(described);
  const command = plan.process.args.join(" ");
  const isLong = !noTrunc && command.length > COMMAND_MAX;
  return {
    Command: JSON.stringify(isLong ? `${command.slice(0, COMMAND_MAX - 1)}…` : command),
    CreatedAt: formatTime(created),
    ID: noTrunc ? known.id : known.id.slice(0, 12),
    Image: plan.hb.origin?.image ?? "",
    Labels: labelList(described),
    LocalVolumes: String(plan.hb.volumes.length),
    Mounts: mounts.map((source) => (noTrunc ? source : shortened(source))).join(","),
    Names: nameOf(known),
    Networks: networkName(plan),
    Ports: portList(described),
    RunningFor: humanAge(now - created.getTime()),
    Size: size ? humanSize(writtenBytes(described)) : "",
    State: state.status,
    Status: statusText(state, now),
    Label: (name) => labelsOf(plan)[name] ?? "",
  };
}

function labelList({ plan }: Described): string {
  return Object.entries(labelsOf(plan))
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

function portList({ plan, state }: Described): string {
  if (!isAlive(state)) return "";
  const published = publishedPorts(plan);
  const lead = published.flatMap((each) =>
    hostEndpoints(each).map((host) => `${host}->${each.containerPort}/${each.protocol}`),
  );
  const led = new Set(published.map((each) => `${each.containerPort}/${each.protocol}`));
  const exposed = (plan.hb.origin?.config.ExposedPorts ?? []).map((port) => {
    return port.includes("/") ? port : `${port}/tcp`;
  });
  return [...lead, ...exposed.filter((port) => !led.has(port))].join(", ");
}

/** What of the host the user has mounted. */
export function bindSources({ plan }: Described): string[] {
  const { options } = plan.hb.origin ?? {};
  if (options === undefined) return [];
  const own = new Set(plan.hb.files.map(({ destination }) => destination));
  return plan.mounts
    .filter(({ type, destination }) => type === "bind" && !own.has(destination))
    .filter(({ destination }) => !/^\/(dev|proc|sys)(\/|$)/.test(destination))
    .map(({ source }) => source);
}

function shortened(path: string): string {
  const max = 15;
  return path.length > max ? `${path.slice(0, max - 1)}…` : path;
}

/** Bytes in the writable layer, as far as its files may be looked at. */
export function writtenBytes({ known }: Described): number {
  return bytesBelow(within(known.directory, "upper"));
}

function bytesBelow(directory: string): number {
  let bytes = 0;
  for (const name of namesIn(directory)) {
    const path = `${directory}/${name}`;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isFile() === true) bytes += stat.size;
    if (stat?.isDirectory() === true) bytes += bytesBelow(path);
  }
  return bytes;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    // Not there yet, or another user's (of a container's ids).
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}
