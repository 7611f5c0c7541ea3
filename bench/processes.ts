/** What the kernel tells of running processes: who belongs to whom, and what they take. */

import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";

/** USER_HZ, which all of Linux's 64-bit ports have at 100: proc_pid_stat(5). */
const ticksPerSecond = 100;

/** A process and its descendants; nobody when it has ended. */
export function tree(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(path)) return [];
  const children = readFileSync(path, "utf8").trim();
  return [pid, ...(children === "" ? [] : children.split(" ").flatMap((id) => tree(Number(id))))];
}

/** Who has started a process, or has taken it over. */
export function parentOf(pid: number): number {
  return fieldOf(pid, 4);
}

/** Milliseconds of processor time so far, to the kernel's tick of ten. */
export function cpuMs(pid: number): number {
  return ((fieldOf(pid, 14) + fieldOf(pid, 15)) * 1000) / ticksPerSecond;
}

/** proc_pid_smaps(5): pages nobody else has mapped. */
export function privateKiB(pid: number): number {
  return sumOf(pid, /^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm);
}

/**
 * What the kernel gets back when all of these have ended: their anonymous pages, and the memory
 * files only they have, mapped or not. Of these `privateKiB` leaves out what two of them share and
 * what nobody has mapped.
 */
export function heldKiB(pids: readonly number[]): number {
  const files = new Map(pids.flatMap(memoryFiles));
  const inFiles = [...files.values()].reduce((sum, size) => sum + size, 0);
  return pids.reduce((sum, pid) => sum + sumOf(pid, /^Pss_Anon:\s+(\d+) kB$/gm), inFiles);
}

/** memfd_create(2): inode and size in memory of those a process runs from or has open. */
function memoryFiles(pid: number): [inode: number, sizeKiB: number][] {
  const opened = readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`);
  const paths = [`/proc/${pid}/exe`, ...opened];
  return paths.flatMap((path): [number, number][] => {
    if (!readlinkSync(path).startsWith("/memfd:")) return [];
    const { ino, blocks } = statSync(path);
    return [[ino, blocks / 2]];
  });
}

function sumOf(pid: number, lines: RegExp): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return [...text.matchAll(lines)].reduce((sum, [, size]) => sum + Number(size), 0);
}

/** A numbered field of proc_pid_stat(5); the second one, a name, may hold spaces and brackets. */
function fieldOf(pid: number, number: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fromThird = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fromThird[number - 3]);
}
