/** The processes of a container, found from outside: everything in its pid namespaces. */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What proc_pid_stat(5) says of one. */
export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly uid: number;
  readonly command: string;
  readonly terminal: number;
  /** Ticks of user and system time together. */
  readonly ticks: number;
  /** Ticks after boot. */
  readonly startTicks: number;
}

/**
 * The processes in the pid namespace of `first` and in those below it, in the order of their pids.
 * What starts or ends meanwhile may be missing.
 */
export function processesOf(first: number): ProcessFacts[] {
  const namespace = namespaceOf(first);
  if (namespace === undefined) return [];
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  const all = pids.flatMap((pid) => factsOf(pid) ?? []).sort((a, b) => a.pid - b.pid);
  const inside = new Set(all.map(({ pid }) => pid).filter((pid) => namespaceOf(pid) === namespace));
  // A container in the container has a namespace of its own, whose first process has its parent
  // outside of it: parents come in any order, so this is repeated until nothing is added.
  for (let size = -1; size !== inside.size; ) {
    size = inside.size;
    for (const { pid, parent } of all) if (inside.has(parent)) inside.add(pid);
  }
  return all.filter(({ pid }) => inside.has(pid));
}

function namespaceOf(pid: number): string | undefined {
  return orNothing(() => readlinkSync(`/proc/${pid}/ns/pid`));
}

function factsOf(pid: number): ProcessFacts | undefined {
  const stat = orNothing(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  const status = orNothing(() => readFileSync(`/proc/${pid}/status`, "latin1"));
  if (stat === undefined || status === undefined) return undefined;
  // The name, in parentheses, may have spaces and parentheses of its own.
  const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const number = (index: number) => Number(words[index] ?? 0);
  const line = orNothing(() => readFileSync(`/proc/${pid}/cmdline`, "utf8")) ?? "";
  const name = /\((.*)\)/s.exec(stat)?.[1] ?? "";
  return {
    pid,
    parent: number(1),
    uid: Number(/^Uid:\t(\d+)/m.exec(status)?.[1] ?? 0),
    command: line === "" ? `[${name}]` : line.replace(/\0$/, "").replaceAll("\0", " "),
    terminal: number(4),
    ticks: number(11) + number(12),
    startTicks: number(19),
  };
}

/** Processes end while we look, and others' cannot be looked at. */
function orNothing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}
