/** Whose `--creds` are. */

import { expect, test } from "bun:test";
import { givenFor } from "./given.ts";

test("givenFor() has --creds for one registry, however often it is named", () => {
  expect(givenFor("me:x", ["a.example", "a.example"])).toEqual({
    creds: "me:x",
    registry: "a.example",
  });
});

test("givenFor() shows nobody's password to two registries", () => {
  expect(() => givenFor("me:x", ["a.example", "b.example"])).toThrow(/in 2 registries/);
  expect(givenFor(undefined, ["a.example", "b.example"])).toBe(undefined);
});
