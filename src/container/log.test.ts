import { describe, expect, test } from "bun:test";
import { chooseLog } from "./log.ts";

function choose(logDriver: string | undefined, ...logOpt: string[]) {
  return chooseLog({ ...(logDriver === undefined ? {} : { logDriver }), logOpt }, true);
}

describe("chooseLog()", () => {
  test("keeps everything unless bounds are given", () => {
    expect(choose(undefined)).toEqual({ maxSizeBytes: -1, maxFiles: 1 });
    expect(choose("json-file", "max-size=-1")).toEqual({ maxSizeBytes: -1, maxFiles: 1 });
    expect(choose("local")).toEqual({ maxSizeBytes: 20 * 1024 * 1024, maxFiles: 5 });
  });

  test("reads sizes as docker does", () => {
    const sizes = { "10m": 10_000_000, "1.5k": 1500, "2GiB": 2 * 1024 ** 3, "4096": 4096 };
    for (const [text, bytes] of Object.entries(sizes)) {
      expect(choose("json-file", `max-size=${text}`, "max-file=3")).toEqual({
        maxSizeBytes: bytes,
        maxFiles: 3,
      });
    }
  });

  test("takes pasted options that change nothing here", () => {
    expect(choose("json-file", "mode=non-blocking", "tag={{.ID}}", "compress=true")).toBeDefined();
  });

  test("keeps nothing with none, nor of a run whose output goes to hb's own streams", () => {
    expect(choose("none")).toBeUndefined();
    expect(chooseLog({ logOpt: ["max-size=1k"] }, false)).toBeUndefined();
  });

  const refused: [string | undefined, string[], RegExp][] = [
    ["journald", [], /--log-driver "journald": hb logs to files/],
    [undefined, ["max-sise=1k"], /--log-opt "max-sise=1k"/],
    [undefined, ["max-size"], /--log-opt "max-size"/],
    [undefined, ["max-size=0"], /max-size=0: that is no size/],
    [undefined, ["max-size=x"], /max-size=x/],
    [undefined, ["max-file=0"], /max-file=0/],
    ["none", ["nonsense=1"], /nonsense/],
  ];
  for (const [driver, options, message] of refused) {
    test(`refuses ${driver ?? ""} ${options.join(" ")}`, () => {
      expect(() => choose(driver, ...options)).toThrow(message);
    });
  }
});
