/** How fast a container's output leaves it. */

import type { Contender, Row } from "../measure.ts";
import type { Bench } from "../run.ts";
import type { Identity } from "../workspace.ts";

/** Enough to hide the start of a container, little enough for podman's attach. */
const mebibytes = 512;

/** Zeros through a pipe, or into a file (which hb keeps out of the container). */
export function output(bench: Bench, as: Identity, into: "pipe" | "file"): Row {
  const contenders = bench.launchers(as).flatMap((launcher): Contender[] => {
    if (launcher.name === "crun") return [];
    const turn = async () => {
      const dd = ["/bin/dd", "if=/dev/zero", "bs=1M", `count=${mebibytes}`];
      const { argv } = launcher.run(dd);
      // /dev/shm is memory: the disk has no part in this.
      const file = `/dev/shm/hb-bench-${process.pid}`;
      const script = into === "pipe" ? '"$@" | cat >/dev/null' : `"$@" >${file}; rm ${file}`;
      const shell = ["/bin/sh", "-c", `${script}`, "output", ...argv];
      const { wallMs, cpuMs } = await bench.workspace.spend({ as, argv: shell });
      return { rate: mebibytes / (wallMs / 1000), cpu: cpuMs };
    };
    return [{ ...launcher, turn }];
  });
  return {
    group: "output",
    title: `${mebibytes} MiB into a ${into}, ${as.name}`,
    metrics: [
      { name: "rate", unit: "MiB/s" },
      { name: "cpu", unit: "ms" },
    ],
    contenders,
    yardstick: "outside",
    budgets: [],
    rounds: bench.rounds(5),
    warmups: 1,
    note: "starting the container included",
  };
}
