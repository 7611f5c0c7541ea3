/** What work inside a container costs beside the same work outside: files and system calls. */

import { chownSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Launcher, RunOptions } from "../contenders.ts";
import type { Contender, Figures, Row } from "../measure.ts";
import type { Bench } from "../run.ts";
import type { Identity } from "../workspace.ts";

const fileCount = 20_000;
const callCount = 2_000_000;

interface Work {
  readonly title: string;
  readonly unit: string;
  /** Names in it are the container's; `outside` translates /volume and programs. */
  readonly argv: readonly string[];
  readonly only?: readonly string[];
  /** Of hb's wall time, as multiples of the time outside. */
  readonly budgets?: readonly number[];
  readonly rounds: number;
  readonly note?: string;
  /** The payload's own wall and cpu time in ns, and what to divide by for `unit`. */
  readonly elapsed: (stdout: string) => readonly [wall: number, cpu: number];
  readonly divisor: number;
}

/** Small files made, looked at, read and removed on a volume: no overlay, so only our own cost. */
export function smallFiles(bench: Bench, as: Identity): Row {
  return work(bench, as, {
    title: `create, stat, read, unlink ${fileCount} files on a volume`,
    unit: "µs each",
    argv: ["/bin/meter", "files", "/volume", String(fileCount)],
    budgets: [1.03],
    rounds: bench.rounds(9),
    elapsed: clocks,
    divisor: 1000 * fileCount,
  });
}

/** The same in the container's root: what overlayfs costs whoever mounts it. */
export function rootFiles(bench: Bench, as: Identity): Row {
  return work(bench, as, {
    title: `create, stat, read, unlink ${fileCount} files in the root file system`,
    unit: "µs each",
    argv: ["/bin/meter", "files", "/root", String(fileCount)],
    only: ["outside", "hb", "podman"],
    rounds: bench.rounds(9),
    note: "overlayfs in the container, a plain directory outside",
    elapsed: clocks,
    divisor: 1000 * fileCount,
  });
}

/** A tree of 4,000 files of the image read by tar. */
export function readTree(bench: Bench, as: Identity): Row {
  const program = (name: string) => `/bin/${name}`;
  const script = "for i in 1 2 3 4 5; do tar -cf - /volume | cat >/dev/null; done";
  return work(
    bench,
    as,
    {
      title: "tar of a tree of 4,000 files on a volume, five times",
      unit: "ms",
      argv: [program("meter"), "spend", program("sh"), "-c", script],
      budgets: [1.03],
      rounds: bench.rounds(9),
      elapsed: (stdout) => {
        const { wallNs, userUs, sysUs } = JSON.parse(stdout);
        return [wallNs, (userUs + sysUs) * 1000];
      },
      divisor: 1e6,
    },
    join(bench.images.rootfs, "tree"),
  );
}

/** The cheapest system call, many times: what the filter adds to every one. */
export function systemCalls(bench: Bench, as: Identity): Row {
  const row = work(bench, as, {
    title: "getppid()",
    unit: "ns each",
    argv: ["/bin/meter", "getppid", String(callCount)],
    rounds: bench.rounds(9),
    elapsed: clocks,
    divisor: callCount,
  });
  const unfiltered = bench.launchers(as).filter(({ name }) => name === "hb" || name === "podman");
  const options: RunOptions = { unconfined: true };
  const more = unfiltered.map((launcher): Contender => {
    const argv = ["/bin/meter", "getppid", String(callCount)];
    const turn = async () => {
      const { stdout } = await bench.workspace.spend(launcher.run(argv, options));
      const [wall = 0, cpu = 0] = clocks(stdout);
      return { wall: wall / callCount, cpu: cpu / callCount };
    };
    return { ...launcher, name: `${launcher.name}, no filter`, turn };
  });
  return { ...row, group: "calls", contenders: [...row.contenders, ...more] };
}

function work(bench: Bench, as: Identity, task: Work, volume?: string): Row {
  const launchers = bench.launchers(as).filter(({ name }) => {
    return task.only?.includes(name) ?? name !== "crun";
  });
  const scratch = join(as.directory, "volume");
  const contenders = launchers.map(
    (launcher): Contender => ({
      ...launcher,
      turn: () => inScratch(as, scratch, () => once(bench, launcher, task, volume ?? scratch)),
    }),
  );
  return {
    group: "files",
    title: `${task.title}, ${as.name}`,
    metrics: [
      { name: "wall", unit: task.unit },
      { name: "cpu", unit: task.unit },
    ],
    contenders,
    yardstick: "outside",
    budgets: (task.budgets ?? []).map((max) => ({ metric: "wall", max, ratioTo: "outside" })),
    rounds: task.rounds,
    warmups: 1,
    ...(task.note === undefined ? {} : { note: task.note }),
  };
}

async function once(
  bench: Bench,
  launcher: Launcher,
  task: Work,
  volume: string,
): Promise<Figures> {
  const outside = launcher.name === "outside";
  const translate = (arg: string) => {
    if (!outside) return arg;
    return arg === "/root" ? volume : arg.replaceAll("/volume", volume);
  };
  const argv = task.argv.map((arg, index) => {
    const inner = outside && index > 0 && arg.startsWith("/bin/");
    return inner ? join(bench.images.rootfs, arg) : translate(arg);
  });
  const options = task.argv.includes("/root") ? {} : { volume };
  const { stdout } = await bench.workspace.spend(launcher.run(argv, options));
  const [wall, cpu] = task.elapsed(stdout);
  return { wall: wall / task.divisor, cpu: cpu / task.divisor };
}

/** What the meter's payloads print: wall and cpu nanoseconds. */
function clocks(stdout: string): readonly [wall: number, cpu: number] {
  const [wall = Number.NaN, cpu = Number.NaN] = stdout.trim().split(" ").map(Number);
  return [wall, cpu];
}

async function inScratch<T>(as: Identity, path: string, use: () => Promise<T>): Promise<T> {
  mkdirSync(path);
  chownSync(path, as.uid, as.gid);
  try {
    return await use();
  } finally {
    rmSync(path, { recursive: true });
  }
}
