import { expect, test } from "bun:test";
import { parseDetachKeys } from "./detach-keys.ts";

test("parseDetachKeys() knows docker's default, its spelling of keys, and none at all", () => {
  expect(parseDetachKeys(undefined)).toBe("1011");
  expect(parseDetachKeys("ctrl-a,d")).toBe("0164");
  expect(parseDetachKeys("ctrl-@,ctrl-\\,ctrl-_")).toBe("001c1f");
  expect(parseDetachKeys("")).toBe("");
});

test("parseDetachKeys() refuses what is no key", () => {
  for (const text of ["ctrl-", "ctrl-1", "ab", "a,,b", "é"]) {
    expect(() => parseDetachKeys(text)).toThrow(/^Cannot use --detach-keys/);
  }
});
