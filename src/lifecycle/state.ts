/**
 * How a container is: its lock says whether it lives, state.json what became of it.
 *
 * The lock decides. A supervisor that was killed could not write the end down; its lock is free all
 * the same, and a container whose state says `running` then ended with its supervisor.
 */

import { existsSync, readFileSync, renameSync, statSync } from "node:fs";
import { HbError } from "../errors.ts";
import { within } from "../store/layout.ts";
import { isHeld } from "../store/lock.ts";
import { isFrozen } from "./live-cgroup.ts";
import { type Known, nameOf } from "./select.ts";

/** docker's words. */
export type Status = "created" | "running" | "paused" | "restarting" | "exited";

/** One asking whether the payload is well. */
export interface HealthResult {
  readonly start: string;
  readonly end: string;
  readonly exitCode: number;
  readonly output: string;
}

/** What the askings said so far. */
export interface HealthState {
  readonly status: "starting" | "healthy" | "unhealthy";
  readonly failingStreak: number;
  /** The last five, the latest last. */
  readonly log: readonly HealthResult[];
}

/** How a container is right now. */
export interface ContainerState {
  readonly status: Status;
  /** The container's first process, as the host sees it: while it runs. */
  readonly pid?: number;
  readonly supervisor?: number;
  /** RFC 3339, of the latest run. */
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly exitCode?: number;
  readonly oomKilled: boolean;
  /** How it ended, in words, where there is more to say than the exit code does. */
  readonly reason?: string;
  /** The line that failed the latest start. */
  readonly error?: string;
  readonly restartCount: number;
  readonly health?: HealthState;
}

/** A container with a process in it. */
export interface RunningContainer extends Known {
  readonly pid: number;
  readonly supervisor: number;
}

/** state.json, as the supervisor writes it: runtime-spec's state and what that lacks. */
interface StateFile {
  readonly status: "running" | "stopped";
  readonly pid?: number;
  readonly hb: {
    readonly supervisor: number;
    readonly startedAt?: string;
    readonly finishedAt?: string;
    readonly exitCode?: number;
    readonly oomKilled?: boolean;
    readonly reason?: string;
    readonly error?: string;
    readonly restartCount?: number;
    readonly restarting?: boolean;
    readonly health?: HealthState;
  };
}

/** 128 + SIGKILL: how who ends with the supervisor ends. */
const EXIT_KILLED = 137;

/** How the container is; right after any crash as well. */
export function readState(known: Known): ContainerState {
  // The lock first: what a supervisor wrote before it let go is there to be read then.
  const held = isHeld(known.directory);
  const file =
    readStateFile(known, "state.json") ?? (held ? undefined : readStateFile(known, LAST));
  if (file === undefined) return { status: "created", oomKilled: false, restartCount: 0 };
  if (file === "damaged") {
    const at = modifiedAt(known);
    return held ? { ...untold, startedAt: at } : { ...lost, finishedAt: at };
  }
  const { hb } = file;
  const common = { ...told(hb), oomKilled: hb.oomKilled ?? false };
  const restartCount = hb.restartCount ?? 0;
  // Whoever starts or removes a container holds its lock, too.
  const isSupervised = held && isHelper(hb.supervisor);
  if (isSupervised && hb.restarting === true) {
    return { ...common, status: "restarting", supervisor: hb.supervisor, restartCount };
  }
  if (isSupervised && file.status === "running") {
    const { supervisor, health } = hb;
    const pid = file.pid === undefined ? {} : { pid: file.pid };
    const healthy = health === undefined ? {} : { health };
    const isPaused = file.pid !== undefined && isFrozen({ id: known.id, pid: file.pid });
    const status = isPaused ? "paused" : "running";
    return { ...common, ...pid, ...healthy, status, supervisor, restartCount };
  }
  if (file.status === "stopped") return { ...common, status: "exited", restartCount };
  const end = { finishedAt: modifiedAt(known), exitCode: EXIT_KILLED, reason: lost.reason };
  return { ...common, ...end, status: "exited", restartCount };
}

/** Whether it has a supervisor that goes on with it: also between two runs. */
export function isOngoing({ status }: Pick<ContainerState, "status">): boolean {
  return status !== "created" && status !== "exited";
}

/** The container's processes, or why there are none: `Cannot DOING: container X is not running`. */
export function requireRunning(known: Known, doing: string): RunningContainer {
  const state = readState(known);
  const { pid, supervisor } = state;
  const isThere = ["running", "paused"].includes(state.status);
  if (isThere && pid !== undefined && supervisor !== undefined && parentOf(pid) === supervisor) {
    return { ...known, pid, supervisor };
  }
  const name = nameOf(known);
  const how = state.status === "restarting" ? "is between two runs" : "is not running";
  throw new HbError(`Cannot ${doing}: container ${name} ${how}`, {
    hint: state.status === "restarting" ? "try again" : `start it with 'hb start ${name}'`,
  });
}

/** Whether its supervisor has begun and not told of itself: for a moment, at the start. */
export function isBeginning({ directory }: Known): boolean {
  return isHeld(directory) && !existsSync(within(directory, "state.json"));
}

/** The supervisor as it has told of itself, if it has a payload still. */
export function supervisorOf(known: Known): number | undefined {
  const file = isHeld(known.directory) ? readStateFile(known, "state.json") : undefined;
  if (file === undefined || file === "damaged" || file.status !== "running") return undefined;
  return isHelper(file.hb.supervisor) ? file.hb.supervisor : undefined;
}

/**
 * Puts the state of the run before aside, for the time until the new supervisor tells of itself: a
 * container whose lock is held and that has a state then never is at its beginning.
 */
export function setStateAside({ directory }: Known): void {
  try {
    renameSync(within(directory, "state.json"), within(directory, LAST));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}

const LAST = "state.json.last";

const lost = {
  status: "exited",
  exitCode: EXIT_KILLED,
  oomKilled: false,
  restartCount: 0,
  reason: "killed together with its supervisor",
} as const;

/**
 * No power cut leaves a lock behind: somebody has damaged the state of a container that lives, and
 * whose supervisor can be asked all the same. Who took it for an end would wait for the lock.
 */
const untold = { status: "running", oomKilled: false, restartCount: 0 } as const;

/** What is known after the end as well as before. */
function told({ startedAt, finishedAt, exitCode, reason, error }: StateFile["hb"]) {
  return {
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(reason === undefined ? {} : { reason }),
    ...(error === undefined ? {} : { error }),
  };
}

/** Absent before the first start; damaged at most by a power cut, for it comes by rename. */
function readStateFile({ directory }: Known, name: string): StateFile | "damaged" | undefined {
  let text: string;
  try {
    text = readFileSync(within(directory, name), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const file = JSON.parse(text) as StateFile;
    return typeof file.hb?.supervisor === "number" ? file : "damaged";
  } catch (error) {
    if (error instanceof SyntaxError) return "damaged";
    throw error;
  }
}

function modifiedAt({ directory }: Known): string {
  const file = ["state.json", LAST].map((name) => within(directory, name)).find(existsSync);
  const stat = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
  return new Date(stat?.mtimeMs ?? Date.now()).toISOString();
}

function isHelper(pid: number): boolean {
  return readProcess(pid, "cmdline")?.startsWith("hb-init\0") === true;
}

/** proc(5): the second word after the name, which may have spaces and parentheses of its own. */
function parentOf(pid: number): number | undefined {
  const stat = readProcess(pid, "stat");
  return stat === undefined
    ? undefined
    : Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

function readProcess(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined; // it has ended
    throw error;
  }
}
