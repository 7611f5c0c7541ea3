/**
 * `hb top`: the processes of a container, as the host's ps(1) shows them.
 *
 * Without arguments hb makes docker's columns by itself, so that no program is needed; what ps
 * arguments mean only ps knows.
 */

import { readFileSync } from "node:fs";
import { HbError } from "../errors.ts";
import { type ProcessFacts, processesOf } from "../lifecycle/processes.ts";
import { findContainer } from "../lifecycle/select.ts";
import { settled } from "../lifecycle/settle.ts";
import { requireRunning } from "../lifecycle/state.ts";
import type { TopOptions } from "../options/containers.ts";
import { formatTable, printResult } from "../output.ts";
import { currentStore } from "../store/layout.ts";

/** USER_HZ, which is 100 on every architecture hb runs on (time(7)). */
const TICKS_PER_SECOND = 100;

/** Prints a table of the container's processes. */
export async function top({ container, psArgs }: TopOptions): Promise<number> {
  const doing = `list the processes of ${container}`;
  const known = await settled(findContainer(currentStore(), container));
  const { pid } = requireRunning(known, doing);
  const processes = processesOf(pid);
  const lines = psArgs.length === 0 ? ownTable(processes) : askPs(psArgs, processes, container);
  for (const line of lines) printResult(line);
  return 0;
}

/** As `ps -ef` has it. */
function ownTable(processes: readonly ProcessFacts[]): string[] {
  const users = userNames();
  const uptime = Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
  const now = Date.now();
  const rows = processes.map((each) => {
    const age = uptime - each.startTicks / TICKS_PER_SECOND;
    const seconds = Math.floor(each.ticks / TICKS_PER_SECOND);
    const started = new Date(now - age * 1000);
    return [
      users.get(each.uid) ?? String(each.uid),
      String(each.pid),
      String(each.parent),
      String(age > 0 ? Math.min(99, Math.floor((100 * seconds) / age)) : 0),
      started.toTimeString().slice(0, 5),
      terminalName(each.terminal),
      clock(seconds),
      each.command,
    ];
  });
  return formatTable(["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"], rows);
}

function clock(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/** Of devices only pseudo-terminals (major numbers 136 to 143, devices.txt) occur in containers. */
function terminalName(device: number): string {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  return major >= 136 && major <= 143 ? `pts/${(major - 136) * 256 + minor}` : "?";
}

function userNames(): ReadonlyMap<number, string> {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  return new Map(
    lines.map((line) => line.split(":")).map(([name = "", , uid]) => [+(uid ?? -1), name]),
  );
}

/** The lines of ps whose PID is one of the container's. */
function askPs(args: readonly string[], processes: readonly ProcessFacts[], name: string) {
  const doing = `Cannot list the processes of ${name}`;
  const path = Bun.which("ps");
  if (path === null) {
    throw new HbError(`${doing} with ps arguments: there is no ps here`, {
      hint: "leave the arguments out, or install the package procps",
    });
  }
  const { exitCode, stdout, stderr } = Bun.spawnSync([path, ...args]);
  const [heading = "", ...lines] = stdout.toString().trimEnd().split("\n");
  const column = heading.trim().split(/\s+/).indexOf("PID");
  if (exitCode !== 0 || column < 0) {
    const why = stderr.toString().trim().split("\n")[0] ?? "";
    throw new HbError(`${doing}: ${why === "" ? "ps prints no PID with these arguments" : why}`);
  }
  const pids = new Set(processes.map(({ pid }) => String(pid)));
  return [heading, ...lines.filter((line) => pids.has(line.trim().split(/\s+/)[column] ?? ""))];
}
