/** What a container is, in few words: what its plan and state say to `ps`, `port` and `inspect`. */

import type { Plan, Publish } from "../container/plan.ts";
import { HbError } from "../errors.ts";
import { humanAge } from "../output.ts";
import type { StorePaths } from "../store/layout.ts";
import { readPlan } from "./record.ts";
import { type Known, listKnown } from "./select.ts";
import { type ContainerState, readState } from "./state.ts";

/** A container with all that is written about it. */
export interface Described {
  readonly known: Known;
  readonly plan: Plan;
  readonly state: ContainerState;
}

/** Reads what there is to read about a container. */
export function describe(known: Known): Described {
  // The plan first: one that is there stays as long as its container.
  const plan = readPlan(known);
  return { known, plan, state: readState(known) };
}

/** Every container, the latest first; one that goes while we look at it is not listed. */
export function describeAll(store: StorePaths): Described[] {
  const all = listKnown(store).flatMap((known) => {
    try {
      return [describe(known)];
    } catch (error) {
      if (error instanceof HbError) return [];
      throw error;
    }
  });
  const created = ({ plan }: Described) => plan.hb.origin?.createdAt ?? "";
  return all.sort((a, b) => (created(a) < created(b) ? 1 : -1));
}

/** Whether it has a first process right now. */
export function isAlive({ status }: ContainerState): boolean {
  return status === "running" || status === "paused";
}

/** The default bridge, which docker calls `bridge`. */
const DEFAULT_BRIDGE = "hb0";

/** What was given for `--network`, or what was chosen instead. */
export function networkName({ linux, hb }: Plan): string {
  const bridge = hb.network?.bridge?.name;
  if (bridge !== undefined) return bridge === DEFAULT_BRIDGE ? "bridge" : bridge;
  if (hb.network?.pasta !== undefined) return "pasta";
  const own = linux.namespaces.find(({ type }) => type === "network");
  if (own === undefined) return "host";
  return own.path === undefined ? "none" : (hb.origin?.options.network ?? "container");
}

/** The ports that lead to the container. */
export function publishedPorts({ hb }: Plan): readonly Publish[] {
  return hb.network?.bridge?.publish ?? hb.network?.pasta?.publish ?? [];
}

/** Every address of the host, as docker writes it. */
const ALL_ADDRESSES = ["0.0.0.0", "::"];

/** `0.0.0.0:8080` and `[::]:8080` for a port of all addresses. */
export function hostEndpoints({ hostAddress, hostPort }: Publish): readonly string[] {
  const addresses = hostAddress === "" ? ALL_ADDRESSES : [hostAddress];
  return addresses.map((each) => `${each.includes(":") ? `[${each}]` : each}:${hostPort}`);
}

/** The plan's annotations that are labels. */
export function labelsOf({ annotations }: Plan): Readonly<Record<string, string>> {
  const { "org.opencontainers.image.stopSignal": _, ...labels } = annotations;
  return labels;
}

/** `Up 5 minutes (healthy)`, `Exited (0) 2 hours ago`: docker's words. */
export function statusText(state: ContainerState, now: number): string {
  const since = (time: string | undefined) => humanAge(now - Date.parse(time ?? ""));
  const up = () => since(state.startedAt).replace(/ ago$/, "");
  switch (state.status) {
    case "created":
      return "Created";
    case "exited":
      return `Exited (${state.exitCode ?? 0}) ${since(state.finishedAt)}`;
    case "restarting":
      return `Restarting (${state.exitCode ?? 0}) ${since(state.finishedAt)}`;
    case "paused":
      return `Up ${up()} (Paused)`;
    case "running": {
      const health = state.health?.status;
      if (health === undefined) return `Up ${up()}`;
      return `Up ${up()} (${health === "starting" ? "health: starting" : health})`;
    }
  }
}
