/**
 * What runs: Entrypoint, Cmd, WorkingDir and User against the flags, as docker merges them. Pure.
 */

import { normalize } from "node:path/posix";
import { HbError, UsageError } from "../errors.ts";

/** The parts of an image config that a process comes from. */
export interface ImageProcess {
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly WorkingDir: string;
  readonly User: string;
}

export interface ProcessWishes {
  readonly entrypoint?: string;
  readonly command: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
}

/**
 * Entrypoint + Cmd. `--entrypoint` replaces the image's and drops its Cmd, which were arguments for
 * the other one; `--entrypoint ""` only clears (moby, runconfig's merge).
 */
export function chooseArgs(
  wishes: ProcessWishes,
  image: ImageProcess,
  name: string,
): readonly string[] {
  const { entrypoint, command } = wishes;
  const args =
    entrypoint === undefined
      ? [...image.Entrypoint, ...(command.length > 0 ? command : image.Cmd)]
      : [...(entrypoint === "" ? [] : [entrypoint]), ...command];
  if (args.length === 0) {
    throw new HbError(`Cannot run ${name}: neither it nor you name a command`, {
      hint: `add one: hb run ${name} COMMAND`,
    });
  }
  if (args[0] === "") throw new HbError(`Cannot run ${name}: the command's name is empty`);
  return args;
}

/** `-w`, else the image's, else /. It is made where it is missing. */
export function chooseWorkingDirectory(wishes: ProcessWishes, image: ImageProcess): string {
  const { workdir } = wishes;
  if (workdir !== undefined && !workdir.startsWith("/")) {
    throw new UsageError(`Cannot use --workdir "${workdir}": it is not an absolute path`, {
      hint: `write -w /${workdir.replace(/^\.?\/?/, "")}`,
    });
  }
  // Images with a relative WorkingDir mean it from /.
  return normalize(`/${workdir ?? image.WorkingDir}`).replace(/(?<=.)\/+$/, "");
}

/** `-u`, else the image's: `name|uid[:group|gid]`, looked up in the container. */
export function chooseUser(wishes: ProcessWishes, image: ImageProcess): string {
  const user = wishes.user;
  if (user === undefined || user === "") return image.User;
  const [name = "", group, ...more] = user.split(":");
  const numeric = [name, group ?? ""].find((part) => /^-?\d+$/.test(part) && !isId(part));
  if (more.length > 0 || numeric !== undefined || (name === "" && group === "")) {
    throw new UsageError(`Cannot use --user "${user}"`, {
      hint: "write a name or a uid, and after a colon a group or a gid: -u 1000:1000",
    });
  }
  return user;
}

/** (uid_t) -1 means "no change" to the kernel and is no id. */
function isId(text: string): boolean {
  const id = Number(text);
  return id >= 0 && id < 0xffff_ffff;
}
