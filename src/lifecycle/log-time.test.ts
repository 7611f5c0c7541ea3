import { expect, test } from "bun:test";
import { parseLogTime } from "./log-time.ts";

const now = Date.parse("2026-11-22T12:00:00Z");

test("parseLogTime() writes every kind of moment as a record has it, nanoseconds kept", () => {
  const cases = {
    "2026-11-22T01:02:03.123456789Z": "2026-11-22T01:02:03.123456789Z",
    "2026-11-22T01:02:03.5+01:00": "2026-11-22T00:02:03.500000000Z",
    "1795309323.000000001": "2026-11-22T01:02:03.000000001Z",
    "1795309323": "2026-11-22T01:02:03.000000000Z",
    "10m": "2026-11-22T11:50:00.000000000Z",
    "1.5s": "2026-11-22T11:59:58.500000000Z",
    "99999999999999": "9999-12-31T23:59:59.999000000Z",
  };
  for (const [text, stamp] of Object.entries(cases)) {
    expect(parseLogTime(text, "--since", now)).toBe(stamp);
  }
});

test("parseLogTime() refuses what is no time", () => {
  expect(() => parseLogTime("soon.5", "--until", now)).toThrow(/--until "soon.5"/);
});
