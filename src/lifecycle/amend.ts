/**
 * Other limits for a container that exists: in force at once where it runs, and written down for
 * its next start.
 */

import { renameSync, writeFileSync } from "node:fs";
import type { HostFacts } from "../container/facts.ts";
import { type LimitWishes, parseLimits } from "../container/limits.ts";
import type { Plan, Resources } from "../container/plan.ts";
import { HbError } from "../errors.ts";
import { planText } from "../helper/launch.ts";

import type { LimitFlags } from "../options/containers.ts";
import { within } from "../store/layout.ts";
import { writeLimits } from "./cgroup.ts";
import { liveCgroup } from "./live-cgroup.ts";
import { readPlan } from "./record.ts";
import { type Known, nameOf } from "./select.ts";
import { readState } from "./state.ts";

/** What is to be different; flags that were not given stay as they are. */
export interface Amendment extends LimitFlags {
  readonly restart?: string;
}

/** Changes the container's limits, and what is written about it. */
export function amendContainer(known: Known, amendment: Amendment, facts: HostFacts): void {
  const plan = readPlan(known);
  const { origin } = plan.hb;
  if (origin === undefined) {
    throw new HbError(`Cannot update ${nameOf(known)}: it is not known what it was made from`);
  }
  const options = { ...origin.options, ...mergeLimits(origin.options, amendment) };
  const resources = parseLimits(options, facts);
  if (resources !== undefined && hasLimits(amendment)) holdNow(known, resources);
  const { resources: _, ...linux } = plan.linux;
  writePlan(known, {
    ...plan,
    linux: { ...linux, ...(resources === undefined ? {} : { resources }) },
    hb: { ...plan.hb, origin: { ...origin, options } },
  });
}

/** `--cpus` is another word for a quota and a period: the newer word counts. */
export function mergeLimits(before: LimitWishes, { ...given }: Amendment): LimitWishes {
  const { cpus, cpuQuota, cpuPeriod, ...rest } = before;
  const replaced = given.cpus !== undefined;
  const bandwidth =
    given.cpuQuota !== undefined || given.cpuPeriod !== undefined
      ? { cpuQuota, cpuPeriod }
      : { cpus, ...(replaced ? {} : { cpuQuota, cpuPeriod }) };
  const kept = Object.fromEntries(
    Object.entries({ ...rest, ...bandwidth, ...given }).filter(([, value]) => value !== undefined),
  );
  return kept as LimitWishes;
}

function hasLimits({ restart: _, ...limits }: Amendment): boolean {
  return Object.values(limits).some((value) => value !== undefined);
}

/** A container that does not run has the limits from its next start on. */
function holdNow(known: Known, resources: Resources): void {
  const { pid } = readState(known);
  if (pid === undefined) return;
  const cgroup = liveCgroup({ id: known.id, pid });
  try {
    if (cgroup === undefined) throw new HbError("it runs without a cgroup of its own");
    writeLimits(cgroup, resources);
  } catch (error) {
    const name = nameOf(known);
    throw new HbError(`Cannot update ${name} while it runs`, {
      cause: error,
      hint: `hb stop ${name} && hb update … ${name} && hb start ${name}`,
    });
  }
}

/** A reader sees the old plan or the new one. */
function writePlan({ directory }: Known, plan: Plan): void {
  const fresh = within(directory, "config.json.amended");
  writeFileSync(fresh, planText(plan), { mode: 0o600 });
  renameSync(fresh, within(directory, "config.json"));
}
