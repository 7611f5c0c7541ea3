/** How long one more command in a running container takes. */

import type { Launcher } from "../contenders.ts";
import type { Contender, Figures, Row } from "../measure.ts";
import type { Bench } from "../run.ts";
import type { Command, Identity } from "../workspace.ts";

/** Runs a command in a container that is there for all turns. */
type Exec = (argv: readonly string[]) => Command;

/** `exec CONTAINER PROGRAM`; the payload tells when it began, as in the rows of starts. */
export function exec(bench: Bench, as: Identity): Row {
  const contenders = bench.launchers(as).flatMap((launcher): Contender[] => {
    if (!["hb", "podman", "crun"].includes(launcher.name)) return [];
    let container: Promise<Exec> | undefined;
    const turn = async () => {
      container ??= begin(bench, launcher, as);
      return execOnce(bench, await container);
    };
    return [{ ...launcher, turn }];
  });
  return {
    group: "exec",
    title: `warm, ${as.name}`,
    metrics: [
      { name: "wall", unit: "ms" },
      { name: "to payload", unit: "ms" },
      { name: "cpu", unit: "ms" },
    ],
    contenders,
    yardstick: "podman",
    budgets: [{ metric: "wall", max: 10 }],
    rounds: bench.rounds(21),
    warmups: 2,
  };
}

async function execOnce(bench: Bench, command: Exec): Promise<Figures> {
  const spent = await bench.workspace.spend(command(["/bin/meter", "clock"]));
  const waited = (Number(spent.stdout) - spent.startedNs) / 1e6;
  return { wall: spent.wallMs, "to payload": waited, cpu: spent.cpuMs };
}

/** Starts the container; the workspace's end is its own. */
async function begin(bench: Bench, launcher: Launcher, as: Identity): Promise<Exec> {
  const { argv } = launcher.run(["/bin/meter", "stay"]);
  const at = argv.indexOf("run");
  const global = argv.slice(0, at);
  const id = await (launcher.name === "crun" ? beginCrun : detach)(bench, argv, as);
  bench.workspace.defer(() => {
    const force = launcher.name === "crun" ? ["delete", "--force"] : ["rm", "--force", "--time=0"];
    bench.workspace.runSync({ as, argv: [...global, ...force, id] });
  });
  return (command) => ({ as, argv: [...global, "exec", id, ...command] });
}

async function detach(bench: Bench, argv: readonly string[], as: Identity): Promise<string> {
  const at = argv.indexOf("run") + 1;
  const detached = [...argv.slice(0, at), "--detach", ...argv.slice(at)];
  return (await bench.workspace.outputOf({ as, argv: detached })).trim();
}

/** crun's container is named by its caller, and keeps the streams it was given. */
async function beginCrun(bench: Bench, argv: readonly string[], as: Identity): Promise<string> {
  const detached = argv.flatMap((word) => (word === "run" ? ["run", "--detach"] : [word]));
  const child = bench.workspace.start({ as, argv: detached });
  if ((await child.exited) !== 0) throw new Error(await new Response(child.stderr).text());
  return argv.at(-1) ?? "";
}
