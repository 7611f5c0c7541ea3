/** What `hb login` takes for a registry. */

import { expect, test } from "bun:test";
import { formatError } from "../errors.ts";
import { parseTarget } from "./target.ts";

test.each([
  [undefined, "docker.io"],
  ["index.docker.io", "docker.io"],
  ["https://index.docker.io/v1/", "docker.io"],
  ["GHCR.io", "ghcr.io"],
  ["ghcr.io/", "ghcr.io"],
  ["http://reg.example:5000/v2/", "reg.example:5000"],
  ["localhost/team/app", "localhost/team/app"],
  ["[::1]:5000", "[::1]:5000"],
])("%p is %s", (text, expected) => {
  expect(parseTarget(text)).toBe(expected);
});

test.each([
  ["ghcr", /"ghcr" as a registry: it is no host/],
  ["a.example/app:1", /a login is for all tags/],
  ["a.example/app@sha256", /Cannot use "a.example\/app@sha256" as a registry/],
  ["a_b.example", /registry "a_b.example" is no host name/],
  ["a.example//x", /empty component/],
  ["me:secret@a.example", /Cannot use/],
  ["", /it is no host/],
])("%p is refused", (text, message) => {
  const refused = () => parseTarget(text);
  expect(refused).toThrow();
  try {
    refused();
  } catch (error) {
    expect(formatError(error)).toMatch(message);
  }
});
