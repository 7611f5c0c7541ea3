/** Containers that live on, by hb or by podman: they are told the same words. */

import type { Launcher, RunOptions } from "./contenders.ts";
import { parentOf, tree } from "./processes.ts";
import type { Command, Identity, Workspace } from "./workspace.ts";

/** What is left of a launcher when its containers are not waited for. */
export interface Detacher extends Omit<Launcher, "run"> {
  /** `run --detach`: prints an id, and the container stays until it is removed. */
  detach(argv: readonly string[], flags?: readonly string[], options?: RunOptions): Command;
  /** Anything else the program can be told. */
  tell(...words: string[]): Command;
}

/** Those of the launchers who have containers that live on. */
export function detachers(launchers: readonly Launcher[], as: Identity): Detacher[] {
  const able = launchers.filter(({ name }) => name === "hb" || name === "podman");
  return able.map((launcher) => {
    const split = (argv: readonly string[], options?: RunOptions) => {
      const all = launcher.run(argv, options).argv;
      const at = all.indexOf("run");
      // podman's containers go when they end, wherever nobody says otherwise.
      return [all.slice(0, at), all.slice(at + 1).filter((word) => word !== "--rm")] as const;
    };
    return {
      ...launcher,
      detach: (argv, flags = [], options) => {
        const [global, rest] = split(argv, options);
        return { as, argv: [...global, "run", "--detach", ...flags, ...rest] };
      },
      tell: (...words) => ({ as, argv: [...split([])[0], ...words] }),
    };
  });
}

/** Begins a container; its id. */
export async function begin(workspace: Workspace, command: Command): Promise<string> {
  const id = (await workspace.outputOf(command)).trim();
  if (!/^[0-9a-f]{64}$/.test(id)) throw new Error(`${command.argv.join(" ")}: printed "${id}"`);
  return id;
}

/** Ends and removes containers; those who are gone are no matter. */
export function remove(workspace: Workspace, by: Detacher, ids: readonly string[]): void {
  if (ids.length > 0) workspace.runSync(by.tell("rm", "--force", "--time=0", ...ids));
}

/** The processes that stay beside the payloads: hb's supervisors and guards, podman's conmons. */
export async function monitors(
  workspace: Workspace,
  by: Detacher,
  ids: readonly string[],
): Promise<number[]> {
  const field = by.name === "podman" ? "{{.State.ConmonPid}}" : "{{.State.Pid}}";
  const lines = await workspace.outputOf(by.tell("inspect", "--format", field, ...ids));
  const pids = lines.trim().split("\n").map(Number);
  // A payload that has ended has no process, and 0 would be everybody's.
  if (pids.length !== ids.length || !pids.every((pid) => pid > 0)) {
    throw new Error(`${by.name}: ended before its processes could be told`);
  }
  if (by.name === "podman") return pids;
  return pids.flatMap((payload) => {
    const payloads = new Set(tree(payload));
    return tree(parentOf(payload)).filter((pid) => !payloads.has(pid));
  });
}
