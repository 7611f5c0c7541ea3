import { describe, expect, test } from "bun:test";
import { UsageError } from "../errors.ts";
import { type Prunable, parsePruneFilters } from "./prune-filter.ts";

const now = Date.parse("2026-11-22T12:00:00Z");
const things: Readonly<Record<string, Prunable>> = {
  fresh: { createdMs: now - 60_000, labels: { tier: "web", keep: "" } },
  old: { createdMs: now - 86_400_000, labels: { tier: "db" } },
  silent: { labels: {} },
};

function going(...filters: string[]): string[] {
  const isMeant = parsePruneFilters(filters, now);
  return Object.keys(things).filter((name) => isMeant(things[name] ?? { labels: {} }));
}

describe("parsePruneFilters()", () => {
  const cases: [what: string, filters: string[], names: string[]][] = [
    ["everything without a filter", [], ["fresh", "old", "silent"]],
    ["what is older, and what has no date", ["until=1h"], ["old", "silent"]],
    ["what was made before a time", ["until=2026-11-22T11:59:30Z"], ["fresh", "old", "silent"]],
    ["a label", ["label=tier"], ["fresh", "old"]],
    ["a label's value", ["label=tier=db"], ["old"]],
    ["an empty value", ["label=keep="], ["fresh"]],
    ["what has no such label", ["label!=tier"], ["silent"]],
    ["what has not that value", ["label!=tier=db"], ["fresh", "silent"]],
    ["all that holds", ["label=tier", "until=1h"], ["old"]],
  ];
  test.each(cases)("means %s", (_what, filters, names) => {
    expect(going(...filters)).toEqual(names);
  });

  test.each([["until"], ["until=soon"], ["until!=1h"], ["label="], ["dangling=true"]])(
    "refuses %s",
    (filter) => {
      expect(() => going(filter)).toThrow(UsageError);
    },
  );

  test("takes one time, not two", () => {
    expect(() => going("until=1h", "until=2h")).toThrow(UsageError);
  });
});
