/** Containers that live on: until one is there, and what stays in memory beside each. */

import { begin, type Detacher, detachers, monitors, remove } from "../detached.ts";
import type { Contender, Figures, Row } from "../measure.ts";
import { heldKiB, privateKiB } from "../processes.ts";
import type { Bench } from "../run.ts";
import type { Identity } from "../workspace.ts";

/**
 * `run --detach` from its fork to its end, which is when the id is there. The payload outlives the
 * command and ends before the next turn, so that processor time is that of a whole life.
 */
export function detachedStart(bench: Bench, as: Identity): Row {
  const payload = ["/bin/busybox", "sleep", "0.3"];
  const contenders = detachers(bench.launchers(as), as).map((by): Contender => {
    const turn = async () => {
      const { wallMs, cpuMs } = await bench.workspace.spend(by.detach(payload, ["--rm"]));
      return { wall: wallMs, cpu: cpuMs };
    };
    return { ...by, turn };
  });
  return {
    group: "detached",
    title: `start until the id is printed, ${as.name}, --network none`,
    metrics: ["wall", "cpu"].map((name) => ({ name, unit: "ms" })),
    contenders,
    yardstick: "podman",
    budgets: [],
    rounds: bench.rounds(21),
    warmups: 2,
    note: "cpu: the container's whole life and its removal, most of which wall does not see",
  };
}

/** Memory of all processes but the payloads, per container of `count` that run at once. */
export function detachedMemory(bench: Bench, as: Identity, count: number): Row {
  const contenders = detachers(bench.launchers(as), as).map(
    (by): Contender => ({ ...by, turn: () => reside(bench, by, count) }),
  );
  return {
    group: "detached",
    title: `memory per container of ${count}, ${as.name}`,
    metrics: [
      { name: "private", unit: "KiB" },
      { name: "held", unit: "KiB" },
      { name: "processes", unit: "each" },
    ],
    contenders,
    yardstick: "podman",
    budgets: [
      { metric: "private", max: 1024 },
      { metric: "processes", max: 1 },
    ],
    // Many containers are many samples by themselves.
    rounds: count > 1 ? 1 : bench.rounds(3),
    warmups: 0,
    note: "private: mapped by one process only; held: what the kernel gets back at their end",
  };
}

async function reside(bench: Bench, by: Detacher, count: number): Promise<Figures> {
  const ids: string[] = [];
  try {
    const command = by.detach(["/bin/meter", "stay"]);
    for (let i = 0; i < count; i++) ids.push(await begin(bench.workspace, command));
    const pids = await monitors(bench.workspace, by, ids);
    const private_ = pids.reduce((sum, pid) => sum + privateKiB(pid), 0);
    return {
      private: private_ / count,
      held: heldKiB(pids) / count,
      processes: pids.length / count,
    };
  } finally {
    remove(bench.workspace, by, ids);
  }
}
