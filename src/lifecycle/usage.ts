/**
 * What a container uses: from its cgroup, as far as that counts it, else summed over its processes.
 *
 * Sums miss a little: memory shared by forked processes counts for each of them, and the time of
 * processes nobody waited for is lost with them. What cannot be known is undefined, never zero.
 */

import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { readOptional } from "../host/cgroup.ts";
import { type LiveCgroup, liveCgroup, readIn } from "./live-cgroup.ts";
import { processesOf } from "./processes.ts";
import type { RunningContainer } from "./state.ts";

/** One look at a container. Times are nanoseconds, sizes bytes. */
export interface Usage {
  readonly at: number;
  readonly cpuTime: number;
  readonly memory: number;
  /** Its own limit, or the machine's memory. */
  readonly memoryLimit: number;
  readonly pids: number;
  /** Absent where it has no network of its own. */
  readonly network?: Transfer;
  readonly block?: Transfer;
}

/** Bytes received and sent, read and written. */
export interface Transfer {
  readonly in: number;
  readonly out: number;
}

/** Looks at `container`; `ownNetwork` tells whether its network interfaces are its own. */
export function readUsage(container: RunningContainer, ownNetwork: boolean): Usage {
  const cgroup = liveCgroup(container);
  const sums = lazily(() => sumOf(container.pid));
  const network = ownNetwork ? networkOf(container.pid) : undefined;
  const block = blockOf(cgroup) ?? sums().block;
  return {
    at: Number(process.hrtime.bigint()),
    cpuTime: cpuTimeOf(cgroup) ?? sums().cpuTime,
    memory: memoryOf(cgroup) ?? sums().memory,
    memoryLimit: Math.min(limitOf(cgroup) ?? totalmem(), totalmem()),
    pids: numberIn(cgroup, "pids.current") ?? sums().threads,
    ...(network === undefined ? {} : { network }),
    ...(block === undefined ? {} : { block }),
  };
}

/** Per cent of one CPU between two looks. */
export function cpuPercent(before: Usage, after: Usage): number {
  const elapsed = after.at - before.at;
  return elapsed <= 0 ? 0 : Math.max(0, (100 * (after.cpuTime - before.cpuTime)) / elapsed);
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function numberIn(cgroup: LiveCgroup | undefined, name: string): number | undefined {
  const text = readIn(cgroup, name)?.trim();
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
}

/** The number after `key` in a file of `KEY NUMBER` lines. */
function numberOf(text: string | undefined, key: string): number | undefined {
  const found = new RegExp(`^${key} (\\d+)$`, "m").exec(text ?? "")?.[1];
  return found === undefined ? undefined : Number(found);
}

function cpuTimeOf(cgroup: LiveCgroup | undefined): number | undefined {
  const micros = numberOf(readIn(cgroup, "cpu.stat"), "usage_usec");
  return micros === undefined ? numberIn(cgroup, "cpuacct.usage") : micros * 1000;
}

/** As docker counts it: without file pages that the kernel would give up at once. */
function memoryOf(cgroup: LiveCgroup | undefined): number | undefined {
  const statistics = readIn(cgroup, "memory.stat");
  const used = numberIn(cgroup, "memory.current") ?? numberIn(cgroup, "memory.usage_in_bytes");
  if (used === undefined) return undefined;
  const key = cgroup?.version === 2 ? "inactive_file" : "total_inactive_file";
  return Math.max(0, used - (numberOf(statistics, key) ?? 0));
}

function limitOf(cgroup: LiveCgroup | undefined): number | undefined {
  return numberIn(cgroup, "memory.max") ?? numberIn(cgroup, "memory.limit_in_bytes");
}

/** proc_pid_net(5): every interface but the loopback one. */
function networkOf(pid: number): Transfer | undefined {
  const lines = readOptional(`/proc/${pid}/net/dev`).split("\n").slice(2);
  if (lines.length === 0) return undefined;
  return sumTransfers(
    lines.flatMap((line) => {
      const [, name, counters = ""] = /^\s*([^:]+):(.*)$/.exec(line) ?? [];
      const numbers = counters.trim().split(/\s+/).map(Number);
      if (name === undefined || name === "lo") return [];
      return [{ in: numbers[0] ?? 0, out: numbers[8] ?? 0 }];
    }),
  );
}

function blockOf(cgroup: LiveCgroup | undefined): Transfer | undefined {
  const unified = readIn(cgroup, "io.stat");
  if (unified !== undefined) {
    const sum = (key: string) =>
      [...unified.matchAll(new RegExp(`\\b${key}=(\\d+)`, "g"))].reduce(
        (total, [, number]) => total + Number(number),
        0,
      );
    return { in: sum("rbytes"), out: sum("wbytes") };
  }
  const legacy = readIn(cgroup, "blkio.throttle.io_service_bytes_recursive");
  if (legacy === undefined) return undefined;
  const sum = (key: string) =>
    [...legacy.matchAll(new RegExp(`^\\S+ ${key} (\\d+)$`, "gm"))].reduce(
      (total, [, number]) => total + Number(number),
      0,
    );
  return { in: sum("Read"), out: sum("Write") };
}

/** USER_HZ, 100 on every architecture hb runs on (time(7)). */
const NANOSECONDS_PER_TICK = 1e7;

/** What the processes of the container's pid namespace say of themselves. */
interface Sums {
  readonly cpuTime: number;
  readonly memory: number;
  readonly threads: number;
  readonly block?: Transfer;
}

function sumOf(first: number): Sums {
  const all = processesOf(first).map(({ pid }) => factsOf(pid));
  const sum = (key: "ticks" | "memory" | "threads") =>
    all.reduce((total, facts) => total + facts[key], 0);
  const blocks = all.flatMap(({ block }) => block ?? []);
  return {
    cpuTime: sum("ticks") * NANOSECONDS_PER_TICK,
    memory: sum("memory"),
    threads: sum("threads"),
    // Others' processes do not say (proc_pid_io(5)): a sum without them would be wrong.
    ...(blocks.length === all.length ? { block: sumTransfers(blocks) } : {}),
  };
}

function factsOf(pid: number) {
  const stat = readOptional(`/proc/${pid}/stat`);
  // The name, in parentheses, may have spaces and parentheses of its own.
  const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const number = (index: number) => Number(words[index] ?? 0);
  const status = readOptional(`/proc/${pid}/status`);
  const kib = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  const block = transferOf(pid);
  return {
    // Its own and that of its children that have ended.
    ticks: number(11) + number(12) + number(13) + number(14),
    threads: number(17),
    // Not what is mapped from files, which a cgroup of its own need not have been charged for.
    memory: (kib("RssAnon") + kib("RssShmem")) * 1024,
    ...(block === undefined ? {} : { block }),
  };
}

function transferOf(pid: number): Transfer | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/io`, "latin1");
    const value = (key: string) => Number(new RegExp(`^${key}: (\\d+)$`, "m").exec(text)?.[1] ?? 0);
    return { in: value("read_bytes"), out: value("write_bytes") };
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

function sumTransfers(transfers: readonly Transfer[]): Transfer {
  return transfers.reduce((sum, each) => ({ in: sum.in + each.in, out: sum.out + each.out }), {
    in: 0,
    out: 0,
  });
}
