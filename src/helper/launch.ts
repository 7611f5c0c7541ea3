/**
 * Plan -> helper: the last TypeScript that runs.
 *
 * The plan goes into an anonymous file, and this process becomes the helper. execve through
 * bun:ffi, because Bun's process.execve marks every descriptor above 2 CLOEXEC and the plan's would
 * not arrive. The environment is empty: what a container gets is in its plan. Signals that Bun
 * ignores (SIGPIPE, SIGXFSZ) stay ignored across execve(2); the helper restores them.
 */

import { closeSync, writeSync } from "node:fs";
import type { Bundle } from "../container/bundle.ts";
import type { ExecPlan, Plan } from "../container/plan.ts";
import { createMemfd, execve, keepAcrossExec, spawnInheriting, waitChild } from "../host/libc.ts";
import { startHelper } from "./binary.ts";

/** Becomes the supervisor of the container `plan` describes. `keep`: descriptors it inherits. */
export function launch(plan: Plan, keep: readonly number[] = []): never {
  const argv = prepare(plan, keep).argv;
  return startHelper((executable) => execve(executable, argv, []));
}

/**
 * Starts the detached container `plan` describes and waits until it has started, or has not: the
 * exit status `hb run -d` would have. `keep` is the supervisor's from here on, and closed.
 */
export function launchDetached(plan: Plan, keep: readonly number[] = []): number {
  const { argv, planFd } = prepare(plan, keep);
  const pid = startHelper((executable) => spawnInheriting(executable, argv, []));
  // What the next container's supervisor must not inherit.
  for (const fd of [planFd, ...keep]) closeSync(fd);
  return waitChild(pid);
}

function prepare(plan: Plan, keep: readonly number[]) {
  const planFd = writePlan(plan);
  const fds = [planFd, ...keep];
  for (const fd of fds) keepAcrossExec(fd, true);
  return { planFd, argv: ["hb-init", "run", "--plan-fd", ...fds.map(String)] };
}

/** Becomes the helper, doing what `args` say. */
export function becomeHelper(args: readonly string[]): never {
  return startHelper((executable) => execve(executable, ["hb-init", ...args], []));
}

/** Becomes the stand-in of one more command in a container. */
export function launchExec(plan: ExecPlan): never {
  const planFd = writePlan(plan);
  keepAcrossExec(planFd, true);
  return becomeHelper(["exec", "--plan-fd", String(planFd)]);
}

/** What became of a container that was not handed this process. */
export interface PlanRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the container `plan` describes as a child, to its end. */
export function runPlan(plan: Plan): PlanRun {
  const planFd = writePlan(plan);
  try {
    const child = startHelper((executable) =>
      Bun.spawnSync([executable, "run", "--plan-fd", "3"], {
        argv0: "hb-init",
        env: {},
        stdio: ["ignore", "pipe", "pipe", planFd],
      }),
    );
    const [stdout, stderr] = [child.stdout.toString(), child.stderr.toString()];
    return { exitCode: child.exitCode, stdout, stderr };
  } finally {
    closeSync(planFd);
  }
}

/** The plan as the helper reads it: compact JSON, the offset back at its start. */
function writePlan(plan: Plan | ExecPlan): number {
  const fd = createMemfd("hb-plan", { executable: false });
  const bytes = new TextEncoder().encode(planText(plan));
  // pwrite: the offset stays at 0 for the reader.
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, done);
  }
  return fd;
}

const RLIM_INFINITY = "18446744073709551615";

/** The plan as compact JSON: also a container's config.json. */
export function planText(plan: Plan | ExecPlan): string {
  return withInfinity(JSON.stringify(plan), plan.process.rlimits.length > 0);
}

/** A bundle's config.json, for people to read as well. */
export function bundleText(bundle: Bundle): string {
  return withInfinity(JSON.stringify(bundle, undefined, 2), bundle.process.rlimits.length > 0);
}

/**
 * JSON knows no infinity and writes null; RLIM_INFINITY is put in its place, which no JavaScript
 * number can be. Inside of strings quotes are escaped, so nothing else matches.
 */
function withInfinity(text: string, hasLimits: boolean): string {
  if (!hasLimits) return text;
  return text.replace(/"(soft|hard)": ?null/g, (match) => match.replace("null", RLIM_INFINITY));
}
