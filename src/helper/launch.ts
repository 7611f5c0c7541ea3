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
import { createMemfd, execve, keepAcrossExec } from "../host/libc.ts";
import { startHelper } from "./binary.ts";

/** Becomes the supervisor of the container `plan` describes. `keep`: descriptors it inherits. */
export function launch(plan: Plan, keep: readonly number[] = []): never {
  const planFd = writePlan(plan);
  for (const fd of [planFd, ...keep]) keepAcrossExec(fd, true);
  const argv = ["hb-init", "run", "--plan-fd", ...[planFd, ...keep].map(String)];
  return startHelper((executable) => execve(executable, argv, []));
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

/** The plan as compact JSON. */
function planText(plan: Plan | ExecPlan): string {
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
