/** How fast a container that nobody watches may talk, and what writing it down costs. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { begin, type Detacher, detachers, monitors, remove } from "../detached.ts";
import type { Contender, Figures, Row } from "../measure.ts";
import { cpuMs, privateKiB } from "../processes.ts";
import type { Bench } from "../run.ts";
import type { Identity } from "../workspace.ts";

const mebibytes = 512;

/** The kernel keeps no peak of private memory, so it is looked at this often. */
const sampleMs = 20;

/** Lines of 100 bytes into a log of files of 10 MB, as fast as they are taken. */
export function logging(bench: Bench, as: Identity): Row {
  const contenders = detachers(bench.launchers(as), as).map(
    (by): Contender => ({ ...by, turn: () => talk(bench, by, as) }),
  );
  return {
    group: "logs",
    title: `${mebibytes} MiB in lines into a log with rotation, ${as.name}`,
    metrics: [
      { name: "rate", unit: "MiB/s" },
      { name: "cpu", unit: "ms" },
      { name: "peak", unit: "KiB" },
    ],
    contenders,
    yardstick: "podman",
    budgets: [
      // A gigabyte a minute is 15.9.
      { metric: "rate", min: 16 },
      { metric: "peak", max: 1024 },
    ],
    rounds: bench.rounds(5),
    warmups: 1,
    note: "by the payload's clock; cpu and private memory of who writes the log",
  };
}

async function talk(bench: Bench, by: Detacher, as: Identity): Promise<Figures> {
  const volume = bench.workspace.makeDirectory(as, "talk");
  const payload = ["/bin/meter", "lines", `${mebibytes * 2 ** 20}`, "/volume/took"];
  const log = ["--log-driver", "k8s-file", "--log-opt", "max-size=10m"];
  const id = await begin(bench.workspace, by.detach(payload, log, { volume }));
  try {
    const pids = await monitors(bench.workspace, by, [id]);
    const code = bench.workspace.outputOf(by.tell("wait", id));
    const { cpu, peak } = await watch(pids, code);
    if ((await code).trim() !== "0") throw new Error(`its payload ended with ${await code}`);
    const took = readFileSync(join(volume, "took"), "utf8");
    return { rate: mebibytes / (Number(took.split(" ")[0]) / 1e9), cpu, peak };
  } finally {
    remove(bench.workspace, by, [id]);
  }
}

/** Looks at the processes until they end or `end` has come. */
async function watch(pids: readonly number[], end: Promise<unknown>) {
  let ended = false;
  const settled = () => {
    ended = true;
  };
  end.then(settled, settled);
  let [cpu, peak] = [Number.NaN, Number.NaN];
  while (!ended) {
    try {
      const now = pids.reduce((sum, pid) => sum + privateKiB(pid), 0);
      cpu = pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
      peak = Number.isNaN(peak) ? now : Math.max(peak, now);
    } catch (error) {
      // ENOENT, ESRCH: one has ended meanwhile, and with it what there is to see.
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "ENOENT" && code !== "ESRCH") throw error;
      break;
    }
    await Bun.sleep(sampleMs);
  }
  return { cpu, peak };
}
