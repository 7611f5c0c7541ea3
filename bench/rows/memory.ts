/** What stays in memory per running container, beside the payload itself. */

import { readFileSync } from "node:fs";
import type { Launcher } from "../contenders.ts";
import type { Contender, Figures, Row } from "../measure.ts";
import { privateKiB, tree } from "../processes.ts";
import type { Bench } from "../run.ts";
import type { Identity } from "../workspace.ts";

/** Private memory of the supervisor (hb) or the monitor (podman's conmon), per container. */
export function memory(bench: Bench, as: Identity, count: number): Row {
  const ways: Record<string, typeof residentOurs> = {
    hb: residentOurs,
    podman: residentPodman,
    bwrap: residentOurs,
    hippobox: residentOurs,
  };
  const contenders = bench.launchers(as).flatMap((launcher): Contender[] => {
    const measure = ways[launcher.name];
    if (measure === undefined) return [];
    return [{ ...launcher, turn: () => measure(bench, launcher, as, count) }];
  });
  return {
    group: "memory",
    title: `per container of ${count}, ${as.name}`,
    metrics: [
      { name: "private", unit: "KiB" },
      { name: "processes", unit: "each" },
    ],
    contenders,
    yardstick: "podman",
    budgets: [
      { metric: "private", max: 1024 },
      { metric: "processes", max: 1 },
    ],
    rounds: bench.rounds(3),
    warmups: 0,
    note: "private pages of all processes but the payload; podman runs detached, so only conmon",
  };
}

/** A command that stays in the foreground: its own process tree without the payload. */
async function residentOurs(
  bench: Bench,
  launcher: Launcher,
  as: Identity,
  count: number,
): Promise<Figures> {
  const command = launcher.run(["/bin/meter", "stay"]);
  const children = Array.from({ length: count }, () => bench.workspace.start({ ...command, as }));
  try {
    for (const child of children) await firstLine(child.stdout);
    const pids = children.flatMap(({ pid }) => tree(pid)).filter((pid) => !isPayload(pid));
    return perContainer(pids, count);
  } finally {
    for (const { pid } of children) {
      const members = tree(pid);
      // The payload's end ends all: as pid 1 it would not feel a forwarded SIGTERM. Where it never
      // started, everybody has to be ended.
      const payloads = members.filter(isPayload);
      for (const id of payloads.length > 0 ? payloads : members) process.kill(id, "SIGKILL");
    }
    await Promise.all(children.map(({ exited }) => exited));
  }
}

async function residentPodman(
  bench: Bench,
  launcher: Launcher,
  as: Identity,
  count: number,
): Promise<Figures> {
  const { argv } = launcher.run(["/bin/meter", "stay"]);
  const at = argv.indexOf("run");
  const global = argv.slice(0, at);
  const detached = [...global, "run", "--detach", ...argv.slice(at + 1)];
  const ids: string[] = [];
  try {
    for (let i = 0; i < count; i++) {
      ids.push((await bench.workspace.outputOf({ as, argv: detached })).trim());
    }
    const format = ["inspect", "--format", "{{.State.ConmonPid}}"];
    const conmons = await bench.workspace.outputOf({
      as,
      argv: [...global, ...format, ...ids],
    });
    return perContainer(conmons.trim().split("\n").map(Number), count);
  } finally {
    bench.workspace.runSync({ as, argv: [...global, "rm", "--force", "--time=0", ...ids] });
  }
}

function perContainer(pids: readonly number[], count: number): Figures {
  const total = pids.reduce((sum, pid) => sum + privateKiB(pid), 0);
  return { private: total / count, processes: pids.length / count };
}

function isPayload(pid: number): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("/bin/meter\0stay");
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stream.getReader();
  const { done } = await reader.read();
  reader.releaseLock();
  if (done) throw new Error("ended before its payload was ready");
}
