/** How long a container takes to start and to end, warm and cold. */

import type { Launcher } from "../contenders.ts";
import type { Contender, Figures, Row } from "../measure.ts";
import type { Bench } from "../run.ts";
import type { Identity } from "../workspace.ts";

const metrics = [
  { name: "wall", unit: "ms" },
  { name: "to payload", unit: "ms" },
  { name: "cpu", unit: "ms" },
  { name: "peak", unit: "MiB" },
];

/**
 * The payload prints the monotonic clock, which containers share with the host: so one run tells
 * both how long the payload had to wait and how long the command took in all.
 */
async function startOnce(
  bench: Bench,
  launcher: Launcher,
  network: "none" | "host",
): Promise<Figures> {
  const command = launcher.run(["/bin/meter", "clock"], { network });
  const spent = await bench.workspace.spend(command);
  const waited = (Number(spent.stdout) - spent.startedNs) / 1e6;
  return { wall: spent.wallMs, "to payload": waited, cpu: spent.cpuMs, peak: spent.peakMiB };
}

/** `run IMAGE PROGRAM` with the image there and everything in memory. */
export function warmStart(bench: Bench, as: Identity, network: "none" | "host"): Row {
  const contenders = bench.launchers(as).flatMap((launcher): Contender[] => {
    if (network === "host" && launcher.name === "crun") return [];
    return [{ ...launcher, turn: () => startOnce(bench, launcher, network) }];
  });
  const rootless = as.name === "rootless";
  return {
    group: "start",
    title: `warm, ${as.name}, --network ${network}`,
    metrics,
    contenders,
    yardstick: "podman",
    budgets: [
      ...(network === "none" ? [{ metric: "wall", max: 10 }] : []),
      { metric: "wall", max: rootless ? 0.1 : 0.08, ratioTo: "podman" },
    ],
    rounds: bench.rounds(21),
    warmups: 2,
  };
}

/** The same after the programs' own files have left the page cache; libraries stay. */
export function coldStart(bench: Bench, as: Identity): Row {
  const contenders = bench.launchers(as).flatMap((launcher): Contender[] => {
    if (launcher.name === "outside") return [];
    const turn = async () => {
      for (const file of launcher.files) {
        // dd(1): drops the cached pages of a whole file.
        Bun.spawnSync(["dd", `if=${file}`, "iflag=nocache", "count=0"]);
      }
      return startOnce(bench, launcher, "none");
    };
    return [{ ...launcher, turn }];
  });
  return {
    group: "start",
    title: `cold, ${as.name}, --network none`,
    metrics: metrics.slice(0, 3),
    contenders,
    yardstick: "podman",
    budgets: [],
    rounds: bench.rounds(7),
    warmups: 1,
    note: "the pages of the programs themselves dropped before each turn; shared libraries stay",
  };
}

/** Which part of hb's time is whose: execve is where one program hands over to the next. */
export function phases(bench: Bench, as: Identity): Row {
  const [launcher] = bench.launchers(as).filter(({ name }) => name === "hb");
  const strace = Bun.which("strace");
  const program = launcher?.files[0];
  const contenders: Contender[] = [];
  if (launcher?.missing === undefined && program !== undefined) {
    const version = async () => {
      const spent = await bench.workspace.spend({ as, argv: [program, "version"] });
      return { wall: spent.wallMs };
    };
    contenders.push({ name: "hb version", turn: version });
  }
  const needsRoot = process.getuid?.() === 0 ? undefined : "strace -u needs root";
  const missing = strace === null ? "no strace" : (launcher?.missing ?? needsRoot);
  const traced = async () => {
    if (launcher === undefined) return {};
    const command = launcher.run(["/bin/true"]);
    return tracePhases(command.argv, as);
  };
  contenders.push({ name: "hb", missing, turn: traced });
  return {
    group: "start",
    title: `hb's phases under strace, ${as.name}`,
    metrics: ["wall", "front end", "helper", "payload and end"].map((name) => ({
      name,
      unit: "ms",
    })),
    contenders,
    yardstick: "hb",
    budgets: [],
    rounds: bench.rounds(9),
    warmups: 1,
    note: "only execve traced, which still makes every phase somewhat longer",
  };
}

async function tracePhases(argv: readonly string[], as: Identity): Promise<Figures> {
  // --seccomp-bpf leaves all other calls at full speed, but sets no_new_privs: no newuidmap then.
  const user = as.name === "root" ? ["--seccomp-bpf"] : ["-u", as.userName];
  const filter = ["-f", "-ttt", "-e", "trace=execve", "-e", "signal=none"];
  const strace = Bun.spawn(["strace", ...filter, ...user, ...argv], {
    env: { ...as.environment },
    cwd: as.directory,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const lines = (await new Response(strace.stderr).text()).split("\n");
  if ((await strace.exited) !== 0) throw new Error(lines.slice(-3).join("; "));
  const at = (needle: string) => {
    const line = lines.find((text) => text.includes(needle)) ?? "";
    return Number(/(\d+\.\d+)/.exec(line)?.[1]) * 1000;
  };
  const [start, helper] = [at(`execve("${argv[0]}"`), at('execve("/proc/self/fd/')];
  const [payload, end] = [at('execve("/bin/true"'), at("exited with 0")];
  const last = lines.findLast((text) => text.includes("exited with 0")) ?? "";
  const finish = Number(/(\d+\.\d+)/.exec(last)?.[1]) * 1000 || end;
  return {
    wall: finish - start,
    "front end": helper - start,
    helper: payload - helper,
    "payload and end": finish - payload,
  };
}
