/** What `--since` and `--until` take, by example. */

import { describe, expect, test } from "bun:test";
import { parseMoment } from "./moment.ts";

const now = Date.parse("2026-11-22T12:00:00Z");

describe("parseMoment() reads", () => {
  const cases: [what: string, text: string, time: number][] = [
    ["a time with its zone", "2026-11-22T10:00:00Z", Date.parse("2026-11-22T10:00:00Z")],
    ["nanoseconds", "2026-11-22T10:00:00.123456789Z", Date.parse("2026-11-22T10:00:00.123Z")],
    ["an offset", "2026-11-22T10:00:00+02:00", Date.parse("2026-11-22T08:00:00Z")],
    ["local time", "2026-11-22T10:00:00", new Date(2026, 10, 22, 10).getTime()],
    ["a local date", "2026-11-22", new Date(2026, 10, 22).getTime()],
    ["a local hour", "2026-11-22T10", new Date(2026, 10, 22, 10).getTime()],
    ["Unix seconds", "1795341600", 1795341600_000],
    ["parts of a Unix second", "1795341600.25", 1795341600_250],
    ["how long ago", "10m", now - 600_000],
    ["how long ago in several units", "1h30m5.5s", now - 5_405_500],
  ];
  for (const [what, text, time] of cases) {
    test(what, () => expect(parseMoment(text, "--since", now)).toBe(time));
  }

  for (const text of ["", "yesterday", "10", "10x", "2026-13-01", "m"].filter((t) => t !== "10")) {
    test(`nothing in ${JSON.stringify(text)}`, () => {
      expect(() => parseMoment(text, "--since", now)).toThrow(/^Cannot use --since/);
    });
  }
});
