/**
 * `--ulimit NAME=SOFT[:HARD]` -> rlimits, as docker takes them (docker/go-units, ulimit.go). Pure.
 */

import { UsageError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import type { Rlimit } from "./plan.ts";

/** docker's names; `as` is left out there, too. */
const NAMES = (
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime " +
  "sigpending stack"
).split(" ");

/** The limits of all `--ulimit` texts; of one name the last counts. */
export function parseUlimits(texts: readonly string[]): readonly Rlimit[] {
  const limits = new Map<string, Rlimit>();
  for (const text of texts) {
    const limit = parseUlimit(text);
    limits.set(limit.type, limit);
  }
  return [...limits.values()];
}

function parseUlimit(text: string): Rlimit {
  const [, name = "", soft, hard] = /^([^=]*)=([^:]*)(?::(.*))?$/.exec(text) ?? [];
  if (soft === undefined) {
    throw new UsageError(`Cannot use --ulimit "${text}": it is not NAME=SOFT[:HARD]`, {
      hint: "write it as nofile=1024:2048",
    });
  }
  if (!NAMES.includes(name)) {
    const meant = nearest(name, NAMES);
    throw new UsageError(`Cannot use --ulimit "${text}": there is no limit "${name}"`, {
      hint: meant === undefined ? `use one of: ${NAMES.join(", ")}` : `did you mean ${meant}?`,
    });
  }
  const softLimit = parseLimit(soft, text);
  const hardLimit = hard === undefined ? softLimit : parseLimit(hard, text);
  if (softLimit > hardLimit) {
    throw new UsageError(`Cannot use --ulimit "${text}": the soft limit is above the hard one`);
  }
  return { type: `RLIMIT_${name.toUpperCase()}`, soft: softLimit, hard: hardLimit };
}

function parseLimit(value: string, text: string): number {
  if (value === "-1" || value === "unlimited") return Number.POSITIVE_INFINITY;
  if (/^\d+$/.test(value) && Number.isSafeInteger(Number(value))) return Number(value);
  throw new UsageError(`Cannot use --ulimit "${text}": "${value}" is no limit`, {
    hint: "write a number, or -1 for unlimited",
  });
}
