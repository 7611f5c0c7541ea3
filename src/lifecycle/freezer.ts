/**
 * Pausing: no process of the container runs until it is thawed (cgroups(7), "freezer").
 *
 * A container without a cgroup of its own gets one when root pauses it. An ordinary user cannot do
 * that: the container's processes are other users' in the eyes of systemd and of the kernel.
 */

import { existsSync, mkdirSync, rmdirSync, watch, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { HbError } from "../errors.ts";
import { cgroupFacts, readOptional } from "../host/cgroup.ts";
import { findManager } from "../host/systemd.ts";
import { startScope } from "../host/systemd-scope.ts";
import { fileIn, liveCgroup, scopeName } from "./live-cgroup.ts";
import { processesOf } from "./processes.ts";
import type { RunningContainer } from "./state.ts";

/** Stops every process of the container where it is; returns when all of them are. */
export async function freeze(container: RunningContainer): Promise<void> {
  if (!isFreezable(container)) await adopt(container);
  const cgroup = liveCgroup(container);
  const unified = fileIn(cgroup, "cgroup.freeze");
  if (unified !== undefined) return await freezeUnified(unified);
  const legacy = fileIn(cgroup, "freezer.state");
  if (legacy === undefined) throw new HbError("the container could not be moved to a freezer");
  writeFileSync(legacy, "FROZEN");
  // Reading it is what makes the kernel look again (admin-guide/cgroup-v1/freezer-subsystem).
  while (readOptional(legacy).trim() === "FREEZING") if (!existsSync(legacy)) return;
}

/** Lets them go on. */
export function thaw(container: RunningContainer): void {
  const cgroup = liveCgroup(container);
  const unified = fileIn(cgroup, "cgroup.freeze");
  if (unified !== undefined) writeFileSync(unified, "0");
  const legacy = fileIn(cgroup, "freezer.state");
  if (legacy === undefined) return;
  writeFileSync(legacy, "THAWED");
  leave(container, dirname(legacy));
}

function isFreezable(container: RunningContainer): boolean {
  const cgroup = liveCgroup(container);
  return ["cgroup.freeze", "freezer.state"].some((name) => fileIn(cgroup, name) !== undefined);
}

/** cgroup.events is modified, in inotify's eyes as well, when the last process has stopped. */
async function freezeUnified(file: string): Promise<void> {
  const events = `${dirname(file)}/cgroup.events`;
  const isDone = () => /^frozen 1$/m.test(readOptional(events)) || !existsSync(events);
  const watcher = watch(events);
  try {
    await new Promise<void>((resolve, reject) => {
      watcher.on("change", () => isDone() && resolve());
      watcher.on("error", reject);
      writeFileSync(file, "1");
      if (isDone()) resolve();
    });
  } finally {
    watcher.close();
  }
}

/** Puts a container that runs into a cgroup of its own. */
async function adopt(container: RunningContainer): Promise<void> {
  const facts = cgroupFacts();
  const doing = `Cannot pause ${container.name ?? container.id.slice(0, 12)}`;
  if (facts.uid !== 0) {
    throw new HbError(`${doing}: it has no cgroup of its own`, {
      hint: "start it with a limit, such as --pids-limit 2048, where those can be held",
    });
  }
  if (facts.version === 1 && facts.hierarchies.freezer !== undefined) {
    const directory = `${facts.hierarchies.freezer}/hb/${container.id}`;
    mkdirSync(directory, { recursive: true });
    return moveAll(container, directory);
  }
  if (facts.version !== 2) throw new HbError(`${doing}: no freezer is mounted here`);
  const manager = findManager(0);
  if (manager === undefined) {
    const directory = `${facts.unified.mountPoint}/hb/${container.id}`;
    mkdirSync(directory, { recursive: true });
    return moveAll(container, directory);
  }
  await startScope(manager, {
    name: scopeName(container.id),
    description: `hb container ${container.id.slice(0, 12)}`,
    pids: processesOf(container.pid).map(({ pid }) => pid),
  });
  const directory = liveCgroup(container)?.directories[0];
  if (directory === undefined) throw new HbError(`${doing}: systemd made a scope it is not in`);
  moveAll(container, directory);
}

/**
 * Moves until none is left: what forks meanwhile starts where its parent is. Processes that have
 * ended and that nobody waits for are in no list of a cgroup's, and cannot be moved.
 */
function moveAll({ pid: first }: RunningContainer, directory: string): void {
  const isThere = (pid: number) => inside(directory).has(String(pid));
  for (;;) {
    const rest = processesOf(first).filter(({ pid }) => !isThere(pid));
    const moved = rest.filter(({ pid }) => moveOne(String(pid), directory));
    if (moved.length === 0) return;
  }
}

function inside(directory: string): ReadonlySet<string> {
  return new Set(readOptional(`${directory}/cgroup.procs`).split("\n").filter(Boolean));
}

/** False for a process that has ended. */
function moveOne(pid: string, directory: string): boolean {
  try {
    writeFileSync(`${directory}/cgroup.procs`, pid);
    return inside(directory).has(pid);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

/** Version 1: a hierarchy that only the pause needed is left again. */
function leave({ supervisor }: RunningContainer, directory: string): void {
  const path = /^\d+:freezer:(.*)$/m.exec(readOptional(`/proc/${supervisor}/cgroup`))?.[1];
  if (path === undefined) return;
  const home = `${dirname(dirname(directory))}${path}`;
  while ([...inside(directory)].filter((pid) => moveOne(pid, home)).length > 0);
  try {
    rmdirSync(directory);
  } catch (error) {
    // EBUSY: somebody has paused it again.
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}
