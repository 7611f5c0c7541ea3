/**
 * `hb exec`: one more command in a running container. Returns only by failing; else this process
 * becomes the command's stand-in outside.
 */

import { execPlan } from "../container/exec-plan.ts";
import type { FactsIdentity } from "../container/facts.ts";
import type { Plan } from "../container/plan.ts";
import { HbError } from "../errors.ts";
import { launchExec } from "../helper/launch.ts";
import { hostFacts } from "../host/facts.ts";
import { readPlan } from "../lifecycle/record.ts";
import { findContainer } from "../lifecycle/select.ts";
import { settled } from "../lifecycle/settle.ts";
import { readState, requireRunning } from "../lifecycle/state.ts";
import type { ExecOptions } from "../options/containers.ts";
import { currentStore } from "../store/layout.ts";

/** Runs the command; the exit status is its own, by way of execve. */
export async function exec(options: ExecOptions): Promise<number> {
  const { plan, running } = await select(options.container);
  return launchExec(execPlan(plan, options, running, hostFacts(identityOf(plan))));
}

/** What is wrong with the container and not with hb is exit status 1, as docker's. */
async function select(text: string) {
  try {
    const known = await settled(findContainer(currentStore(), text));
    const { status, pid, supervisor } = readState(known);
    if (status === "paused") {
      throw new HbError(`Cannot exec in ${text}: the container is paused`, {
        hint: `unpause the container before exec: hb unpause ${text}`,
      });
    }
    // That the two belong together is for the helper to see, when it holds them.
    const isRunning = status === "running" && pid !== undefined && supervisor !== undefined;
    const running = isRunning ? { pid, supervisor } : requireRunning(known, `exec in ${text}`);
    return { plan: readPlan(known), running };
  } catch (error) {
    if (!(error instanceof HbError)) throw error;
    const { cause, hint } = error;
    throw new HbError(error.message, {
      cause,
      exitCode: 1,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** The container's ids and not the caller's: all rights are held where it has its own users. */
function identityOf({ linux }: Plan): FactsIdentity {
  const { uidMappings, gidMappings, namespaces } = linux;
  const joined = namespaces.some(({ type, path }) => type === "user" && path !== undefined);
  const everyone = [{ containerID: 0, hostID: 0, size: 1 }];
  return joined ? { uidMappings: everyone, gidMappings: everyone } : { uidMappings, gidMappings };
}
