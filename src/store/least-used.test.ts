import { describe, expect, test } from "bun:test";
import { chooseLeastUsed } from "./least-used.ts";

const sizes = new Map([
  ["base", 100],
  ["a", 10],
  ["b", 20],
  ["c", 30],
]);

const images = [
  { name: "new", lastUseMs: 3, record: { layers: ["base", "a"] } },
  { name: "old", lastUseMs: 1, record: { layers: ["base", "b"] } },
  { name: "other", lastUseMs: 2, record: { layers: ["c"] } },
];

function chosen(keepBytes: number, needed: readonly string[] = []): string[] {
  return chooseLeastUsed(images, { sizes, needed }, keepBytes).map(({ name }) => name);
}

describe("chooseLeastUsed()", () => {
  test("chooses nothing where there is room", () => {
    expect(chosen(160)).toEqual([]);
  });

  test("takes the least recently used first, and no more than it must", () => {
    expect(chosen(159)).toEqual(["old"]);
    expect(chosen(139)).toEqual(["old", "other"]);
    expect(chosen(0)).toEqual(["old", "other", "new"]);
  });

  test("frees a layer only with the last image that has it", () => {
    expect(chosen(110)).toEqual(["old", "other"]);
    expect(chosen(109)).toEqual(["old", "other", "new"]);
  });

  test("counts what has to stay, and never frees it", () => {
    expect(chosen(130, ["base"])).toEqual(["old", "other"]);
    expect(chosen(100, ["base"])).toEqual(["old", "other", "new"]);
  });
});
