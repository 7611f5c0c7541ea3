/**
 * Plan -> helper: the last TypeScript that runs.
 *
 * The plan goes into an anonymous file, and this process becomes the helper. execve through bun:ffi,
 * because Bun's process.execve marks every descriptor above 2 CLOEXEC and the plan's would not
 * arrive. The environment is empty: what a container gets is in its plan. Signals that Bun ignores
 * (SIGPIPE, SIGXFSZ) stay ignored across execve(2); the helper restores them.
 */

import { writeSync } from "node:fs";
import type { Plan } from "../container/plan.ts";
import { HbError } from "../errors.ts";
import { createMemfd, execve, keepAcrossExec, LibcError } from "../host/libc.ts";
import { helperExecutable } from "./binary.ts";

/** Becomes the supervisor of the container `plan` describes. `keep`: descriptors it inherits. */
export function launch(plan: Plan, keep: readonly number[] = []): never {
  const planFd = writePlan(plan);
  const helper = helperExecutable();
  for (const fd of [planFd, ...keep]) keepAcrossExec(fd, true);
  try {
    return execve(helper, ["hb-init", "run", "--plan-fd", String(planFd)], []);
  } catch (error) {
    throw new HbError("Cannot start hb's helper from memory", {
      cause: error,
      ...(error instanceof LibcError && error.code === "EACCES"
        ? { hint: "allow executable memfds: sysctl -w vm.memfd_noexec=0" }
        : {}),
    });
  }
}

/** The plan as the helper reads it: compact JSON, the offset back at its start. */
function writePlan(plan: Plan): number {
  const fd = createMemfd("hb-plan", { executable: false });
  const bytes = new TextEncoder().encode(planText(plan));
  // pwrite: the offset stays at 0 for the reader.
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, done);
  }
  return fd;
}

/**
 * JSON knows no infinity and writes null; RLIM_INFINITY is put in its place, which no JavaScript
 * number can be. Inside of strings quotes are escaped, so nothing else matches.
 */
export function planText(plan: Plan): string {
  const text = JSON.stringify(plan);
  if (plan.process.rlimits.length === 0) return text;
  return text.replace(/"(soft|hard)":null/g, '"$1":18446744073709551615');
}
