/** `hb prune --filter`: docker's `until` and `label`. All of them have to hold. Pure. */

import { UsageError } from "../errors.ts";
import { parseMoment } from "./moment.ts";

/** What a filter looks at of an image or a container. */
export interface Prunable {
  /** Absent: it does not say. */
  readonly createdMs?: number | undefined;
  readonly labels: Readonly<Record<string, unknown>>;
}

type Condition = (thing: Prunable) => boolean;

/** Whether all `filters` let a thing go. */
export function parsePruneFilters(filters: readonly string[], now: number): Condition {
  if (filters.filter((filter) => filter.startsWith("until=")).length > 1) {
    throw new UsageError("Cannot use --filter until= more than once");
  }
  const conditions = filters.map((filter) => condition(filter, now));
  return (thing) => conditions.every((holds) => holds(thing));
}

function condition(filter: string, now: number): Condition {
  const [, key, not, value = ""] = /^(until|label)(!?)=(.+)$/s.exec(filter) ?? [];
  if (key === "label") {
    const [, name = "", wanted] = /^([^=]+)(?:=(.*))?$/s.exec(value) ?? [];
    return ({ labels }) => {
      const isThere = Object.hasOwn(labels, name);
      return (isThere && (wanted === undefined || labels[name] === wanted)) !== (not === "!");
    };
  }
  if (key === "until" && not === "") {
    const limit = parseMoment(value, "--filter until", now);
    // docker takes an image without a date for one of the epoch, older than everything.
    return ({ createdMs }) => (createdMs ?? 0) < limit;
  }
  throw new UsageError(`Cannot use --filter ${JSON.stringify(filter)} here`, {
    hint: "use until=10h, label=NAME[=VALUE] or label!=NAME[=VALUE]",
  });
}
