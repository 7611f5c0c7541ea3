/** Platforms: spellings, variants, and which serves which. */

import { describe, expect, test } from "bun:test";
import {
  amd64Level,
  formatPlatform,
  hostPlatform,
  matchPlatform,
  normalizePlatform,
  parsePlatform,
} from "./platform.ts";

const host = hostPlatform("x64");

describe("parsePlatform() takes docker's spellings", () => {
  const table: readonly (readonly [string, string])[] = [
    ["linux/amd64", "linux/amd64"],
    ["linux/x86_64", "linux/amd64"],
    ["linux/amd64/v1", "linux/amd64"],
    ["linux/amd64/v3", "linux/amd64/v3"],
    ["amd64", "linux/amd64"],
    ["linux", "linux/amd64"],
    ["aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/arm/v6", "linux/arm/v6"],
    ["armhf", "linux/arm/v7"],
    ["armel", "linux/arm/v6"],
    ["Linux/ARM64", "linux/arm64"],
    ["i386", "linux/386"],
  ];
  for (const [text, normal] of table) {
    test(`${text} is ${normal}`, () => {
      expect(formatPlatform(parsePlatform(text, host))).toBe(normal);
    });
  }

  for (const text of ["", "linux/", "linux/amd64/v1/x", "linux/pdp11", "windows/amd64", "a b"]) {
    test(`${JSON.stringify(text)} is refused`, () => {
      expect(() => parsePlatform(text, host)).toThrow("platform");
    });
  }
});

describe("matchPlatform() takes the wanted level and those below", () => {
  const match = (want: string, have: string): number | undefined =>
    matchPlatform(parsePlatform(want, host), parsePlatform(have, host));

  test("arm v7 runs v7, v6 and v5, in this order", () => {
    expect([
      match("linux/arm/v7", "linux/arm/v7"),
      match("linux/arm/v7", "linux/arm/v6"),
      match("linux/arm/v7", "linux/arm/v5"),
    ]).toEqual([7, 6, 5]);
    expect(match("linux/arm/v6", "linux/arm/v7")).toBeUndefined();
  });

  test("amd64 runs no level above its own", () => {
    expect(match("linux/amd64/v2", "linux/amd64")).toBe(1);
    expect(match("linux/amd64/v2", "linux/amd64/v2")).toBe(2);
    expect(match("linux/amd64/v2", "linux/amd64/v3")).toBeUndefined();
    expect(match("linux/amd64", "linux/amd64/v2")).toBeUndefined();
  });

  test("arm64 means v8 with and without saying so", () => {
    const bare = { os: "linux", architecture: "arm64" };
    expect(matchPlatform(bare, { ...bare, variant: "v8" })).toBe(8);
    expect(matchPlatform(bare, bare)).toBe(8);
    expect(matchPlatform(bare, { ...bare, variant: "v9" })).toBeUndefined();
  });

  test("another architecture or system never matches", () => {
    expect(match("linux/amd64", "linux/arm64")).toBeUndefined();
    const windows = normalizePlatform("windows", "amd64");
    expect(matchPlatform(host, windows)).toBeUndefined();
  });
});

test("amd64Level() reads the flags of /proc/cpuinfo", () => {
  const v2 = "fpu cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3";
  const v3 = `${v2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave`;
  expect(amd64Level("fpu sse2")).toBe(1);
  expect(amd64Level(v2)).toBe(2);
  expect(amd64Level(v3)).toBe(3);
  expect(amd64Level(`${v3} avx512f avx512bw avx512cd avx512dq avx512vl`)).toBe(4);
});
