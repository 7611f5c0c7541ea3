/** Points in time as docker's `--since` and `--until` take them. Pure. */

import { UsageError } from "../errors.ts";
import { parseDuration } from "../image/duration.ts";

/**
 * Milliseconds since 1970 for a date (`2026-11-22`, `2026-11-22T10:00:00`, with `Z` or an offset;
 * without one it is local time), Unix seconds (`1795341600.5`), or how long before `now` (`10m`,
 * `1h30m`).
 */
export function parseMoment(text: string, flag: string, now: number): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const duration = parseDuration(text);
  if (duration !== undefined) return now - duration;
  if (/^\d{4}-\d\d-\d\d(T\d\d(:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)) {
    // A date alone is UTC to JavaScript and local time to docker; hours alone it does not read.
    const local = text.length === "2026-11-22".length ? `${text}T00:00:00` : text;
    const time = Date.parse(local.replace(/T(\d\d)(?=$|Z|[+-])/, "T$1:00"));
    if (!Number.isNaN(time)) return time;
  }
  throw new UsageError(`Cannot use ${flag} ${JSON.stringify(text)}`, {
    hint: "write a time such as 2026-11-22T10:00:00, seconds since 1970, or how long ago: 10m",
  });
}
