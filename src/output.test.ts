import { describe, expect, test } from "bun:test";
import { type LayerView, render } from "./output/progress.ts";
import { formatTable, formatTime, humanAge, humanSize } from "./output.ts";

test("humanSize() writes three digits in decimal units", () => {
  const sizes = [0, 999, 1000, 1550, 48511113, 999_400_000, 999_900_000, 1.3e9, 5e15];
  expect(sizes.map(humanSize)).toEqual([
    ...["0B", "999B", "1kB", "1.55kB", "48.5MB", "999MB", "1GB", "1.3GB", "5PB"],
  ]);
});

test("humanAge() words durations as docker does", () => {
  const minute = 60_000;
  const hour = 60 * minute;
  const ages = [
    0,
    1000,
    59_000,
    minute,
    5 * minute,
    hour,
    30 * hour,
    5 * 24 * hour,
    600 * 24 * hour,
  ];
  expect(ages.map(humanAge)).toEqual([
    "Less than a second ago",
    "1 second ago",
    "59 seconds ago",
    "About a minute ago",
    "5 minutes ago",
    "About an hour ago",
    "30 hours ago",
    "5 days ago",
    "20 months ago",
  ]);
});

test("formatTime() writes a moment that date(1) can read, as docker does", () => {
  expect(formatTime(new Date("2026-01-02T03:04:05.678Z"))).toBe("2026-01-02 03:04:05 +0000 UTC");
});

test("formatTable() fits columns to their widest cell and escapes control characters", () => {
  expect(formatTable(["A", "LONG"], [["wide\x1b", "x"]])).toEqual([
    "A          LONG",
    "wide\\x1b   x",
  ]);
});

describe("render()", () => {
  const layer: LayerView = {
    id: "c553572083ba",
    state: "pulling",
    received: 24_000_000,
    total: 48_000_000,
    rate: 35_100_000,
  };
  const layers = Array.from({ length: 30 }, (_, i): LayerView => {
    return { ...layer, state: i < 10 ? "done" : i < 13 ? "pulling" : "queued" };
  });

  test("shows a bar, the amount and the rate", () => {
    expect(render([layer], { columns: 80, rows: 24 })).toEqual([
      "c553572083ba: [==================>                 ]        24MB/48MB  35.1MB/s",
    ]);
  });

  test("shows the same of what is pushed, and counts what need not be sent", () => {
    const wide = { columns: 80, rows: 24 };
    expect(render([{ ...layer, state: "pushing" }], wide)).toEqual(render([layer], wide));
    const pushed = (["pushed", "mounted", "present", "pushing"] as const).map((state) => {
      return { ...layer, state, received: state === "pushed" ? layer.total : layer.received };
    });
    expect(render(pushed, { columns: 80, rows: 4 }).at(-1)).toBe("3 of 4 layers, 72MB/96MB");
  });

  test("never makes a line as wide as the terminal", () => {
    for (const columns of [1, 10, 30, 45, 60, 100, 200]) {
      for (const line of render(layers, { columns, rows: 50 })) {
        expect(line.length).toBeLessThan(Math.max(2, columns));
      }
    }
  });

  test("shows what is being pulled and a sum where not all layers fit", () => {
    const lines = render(layers, { columns: 80, rows: 10 });
    expect(lines).toHaveLength(4);
    expect(lines.at(-1)).toBe("10 of 30 layers, 720MB/1.44GB");
    expect(render(layers, { columns: 80, rows: 3 })).toHaveLength(2);
  });
});
