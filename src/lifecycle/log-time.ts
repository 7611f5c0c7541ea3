/** Points in time as a log's records have them, so that they compare as texts. Pure. */

import { parseMoment } from "./moment.ts";

/** The last moment of four digits' years. */
const LAST_MS = Date.UTC(10_000, 0) - 1;

/** `--since` and `--until` as a record's timestamp: to the nanosecond where it is written so. */
export function parseLogTime(text: string, flag: string, now: number): string {
  const time = parseMoment(text, flag, now);
  const [, before = "", fraction = "", zone = ""] =
    /^(\d+|\d{4}-.*)\.(\d{1,9})(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? [];
  // A number of milliseconds does not hold nanoseconds.
  const whole = fraction === "" ? time : parseMoment(before + zone, flag, now);
  const date = new Date(Math.min(Math.max(whole, 0), LAST_MS)).toISOString();
  if (fraction === "") return date.replace("Z", "000000Z");
  return `${date.slice(0, "2026-11-22T01:02:03".length)}.${fraction.padEnd(9, "0")}Z`;
}
