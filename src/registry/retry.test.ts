/** When another attempt is made. */

import { describe, expect, test } from "bun:test";
import { backoffMs, isPassingStatus, parseRetryAfter, systemClock } from "./retry.ts";

test("backoffMs() doubles up to a limit, with half of it left to chance", () => {
  const waits = [2, 3, 4, 5, 20].map((attempt) => backoffMs(attempt, () => 1));
  expect(waits).toEqual([500, 1000, 2000, 4000, 15_000]);
  expect(backoffMs(2, () => 0)).toBe(250);
});

describe("parseRetryAfter()", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  test("takes seconds", () => expect(parseRetryAfter("120", now)).toBe(120_000));
  test("takes a date", () => {
    expect(parseRetryAfter("Thu, 01 Jan 2026 00:01:00 GMT", now)).toBe(60_000);
    expect(parseRetryAfter("Wed, 31 Dec 2025 00:00:00 GMT", now)).toBe(0);
  });
  test("ignores what it cannot read", () => {
    expect(parseRetryAfter("soon", now)).toBeUndefined();
    expect(parseRetryAfter(null, now)).toBeUndefined();
  });
});

test("isPassingStatus() knows which failures may pass", () => {
  expect([429, 500, 502, 503, 504, 408].every(isPassingStatus)).toBe(true);
  expect([200, 400, 401, 403, 404, 416, 501].some(isPassingStatus)).toBe(false);
});

test("a sleep ends when its signal aborts", async () => {
  const controller = new AbortController();
  const sleep = systemClock.sleep(60_000, controller.signal);
  controller.abort(new Error("interrupted"));
  await expect(sleep).rejects.toThrow("interrupted");
  await expect(systemClock.sleep(60_000, controller.signal)).rejects.toThrow("interrupted");
});
