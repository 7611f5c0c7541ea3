import { expect, test } from "bun:test";
import { toJson } from "./json.ts";

test("JSON has no character that could drive a terminal, and says the same", () => {
  const said = { label: "a\u001b[2J\u009b2J\u007f é \u00a0" };
  const json = toJson(said, 2);
  expect(json).toBe('{\n  "label": "a\\u001b[2J\\u009b2J\\u007f é \u00a0"\n}');
  expect(JSON.parse(json)).toEqual(said);
});
