/**
 * A container's plan + the flags of `hb exec` -> the plan of one more command in it. Pure.
 *
 * The command is the container's equal: its environment, user, capabilities, limits and filter are
 * those of the first process unless a flag says otherwise (moby, daemon/exec_linux.go).
 */

import type { ExecOptions } from "../options/containers.ts";
import { capabilitySets, chooseCapabilities } from "./capabilities.ts";
import { parseDetachKeys } from "./detach-keys.ts";
import { buildEnvironment } from "./env.ts";
import type { HostFacts } from "./facts.ts";
import type { ExecPlan, Plan, Process, User } from "./plan.ts";
import { chooseUser, chooseWorkingDirectory } from "./process.ts";

type Facts = Pick<HostFacts, "variable" | "readText" | "lastCapability" | "boundingCapabilities">;

const root: User = { uid: 0, gid: 0, additionalGids: [] };

/** What the command needs in the container whose processes are `running`. */
export function execPlan(
  plan: Plan,
  options: ExecOptions,
  running: { readonly pid: number; readonly supervisor: number },
  facts: Facts,
): ExecPlan {
  const { container, groupAdd, cgroup } = plan.hb;
  return {
    ociVersion: plan.ociVersion,
    process: {
      ...plan.process,
      ...execProcess(plan, options, facts),
      terminal: options.tty,
    },
    linux:
      plan.linux.seccomp === undefined || options.privileged ? {} : { seccomp: plan.linux.seccomp },
    hb: {
      container: {
        id: container.id,
        directory: container.directory,
        pid: running.pid,
        supervisor: running.supervisor,
        cgroups: cgroup?.directories ?? [],
      },
      user: chooseUser(execWishes(options), { ...noImage, User: plan.hb.user }),
      groupAdd,
      // Nobody is there to type when hb has gone.
      interactive: options.interactive && !options.detach,
      detach: options.detach,
      detachKeys: options.tty ? parseDetachKeys(options.detachKeys) : "",
    },
  };
}

const noImage = { Entrypoint: [], Cmd: [], WorkingDir: "", User: "" };

function execProcess(plan: Plan, options: ExecOptions, facts: Facts): Partial<Process> {
  const { process, hostname } = plan;
  const named = options.user !== undefined && options.user !== "";
  const env = buildEnvironment(
    { ...options, httpProxy: false, imageEnv: process.env, hostname },
    facts,
  );
  const all = { capAdd: [], capDrop: [], privileged: true };
  return {
    args: options.command,
    env,
    cwd: chooseWorkingDirectory(execWishes(options), { ...noImage, WorkingDir: process.cwd }),
    // Numbers are of a plan that names no user.
    user: named ? root : process.user,
    ...(options.privileged
      ? { capabilities: capabilitySets(chooseCapabilities(all, facts)), noNewPrivileges: false }
      : {}),
  };
}

function execWishes({ command, user, workdir }: ExecOptions) {
  return {
    command,
    ...(user === undefined ? {} : { user }),
    ...(workdir === undefined ? {} : { workdir }),
  };
}
