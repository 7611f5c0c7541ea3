/** What a container was started or made with: its plan, from the config.json of its directory. */

import { readFileSync } from "node:fs";
import type { Plan, Rlimit } from "../container/plan.ts";
import { HbError } from "../errors.ts";
import { within } from "../store/layout.ts";
import type { Known } from "./select.ts";

/** The container's plan as it was last written, checked to be one of ours. */
export function readPlan(known: Known): Plan {
  const file = within(known.directory, "config.json");
  let plan: Plan;
  try {
    const json: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (!isPlan(json)) throw new HbError("it is no container's plan");
    if (json.hb.container.id !== known.id) throw new HbError("it is another container's");
    plan = json;
  } catch (error) {
    throw new HbError(`Cannot read the container ${known.id.slice(0, 12)} from "${file}"`, {
      cause: error,
      hint: `remove the container with 'hb rm -f ${known.id.slice(0, 12)}'`,
    });
  }
  const rlimits = plan.process.rlimits.map(withInfinity);
  return { ...plan, process: { ...plan.process, rlimits } };
}

/** Whether it has what tells our plans from other files; what hb wrote has the rest as well. */
function isPlan(json: unknown): json is Plan {
  const plan = json as { readonly [key in keyof Plan]?: Partial<Plan[key]> | null } | null;
  return (
    typeof plan?.hb?.container?.id === "string" &&
    typeof plan.hb.life === "object" &&
    Array.isArray(plan.process?.rlimits)
  );
}

/** What the user called the image, for events; "" where the plan is damaged. */
export function imageOf(known: Known): string {
  try {
    return readPlan(known).hb.origin?.image ?? "";
  } catch (error) {
    if (error instanceof HbError) return "";
    throw error;
  }
}

/** RLIM_INFINITY, 2^64-1, in the file; Infinity in a plan (helper/launch.ts). */
function withInfinity({ type, soft, hard }: Rlimit): Rlimit {
  const number = (limit: number) => (limit >= 2 ** 64 - 1 ? Number.POSITIVE_INFINITY : limit);
  return { type, soft: number(soft), hard: number(hard) };
}
