/**
 * The cgroup a running container is in, as /proc has it: whatever its plan says, this is where it
 * is. One that is not the container's own (it has no limits, or hb is in it as well) is none.
 */

import { existsSync } from "node:fs";
import { basename } from "node:path";
import { cgroupMounts, readOptional } from "../host/cgroup.ts";
import type { RunningContainer } from "./state.ts";

/** A container's own cgroup: one directory, or with version 1 one per hierarchy. */
export interface LiveCgroup {
  readonly version: 1 | 2;
  readonly directories: readonly string[];
}

/** What identifies it. */
export type CgroupMember = Pick<RunningContainer, "id" | "pid">;

/** The cgroup that is `member`'s alone; undefined where it has none. */
export function liveCgroup(member: CgroupMember): LiveCgroup | undefined {
  const mounts = cgroupMounts();
  if (mounts.version === undefined) return undefined;
  const paths = pathsOf(readOptional(`/proc/${member.pid}/cgroup`));
  const places = Object.entries(mounts.hierarchies).map(
    ([controller, mountPoint]) => `${mountPoint}${paths.get(controller) ?? "/"}`,
  );
  const directories = [...new Set(places)].filter((place) => isOwn(place, member.id));
  return directories.length === 0 ? undefined : { version: mounts.version, directories };
}

/** Whether the container is paused. */
export function isFrozen(member: CgroupMember): boolean {
  const cgroup = liveCgroup(member);
  const unified = readIn(cgroup, "cgroup.freeze");
  const legacy = readIn(cgroup, "freezer.state");
  return unified?.trim() === "1" || (legacy !== undefined && legacy.trim() !== "THAWED");
}

/** The name of the scope that systemd is asked for. */
export function scopeName(id: string): string {
  return `hb-${id.slice(0, 12)}`;
}

/** A file of the cgroup, in whichever of its directories it is. */
export function fileIn(cgroup: LiveCgroup | undefined, name: string): string | undefined {
  const directory = cgroup?.directories.find((each) => existsSync(`${each}/${name}`));
  return directory === undefined ? undefined : `${directory}/${name}`;
}

/** What a file of the cgroup says; undefined where there is none. */
export function readIn(cgroup: LiveCgroup | undefined, name: string): string | undefined {
  const file = fileIn(cgroup, name);
  return file === undefined ? undefined : readOptional(file);
}

function isOwn(directory: string, id: string): boolean {
  const name = basename(directory);
  // A whole scope, where the container was put into one while it ran.
  return name.startsWith(id) || name === `${scopeName(id)}.scope`;
}

/** The lines of /proc/PID/cgroup by controller; version 2's by "" (cgroups(7)). */
function pathsOf(text: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers?.split(",") ?? []) paths.set(controller, path ?? "/");
  }
  return paths;
}
