/** Short names under registries.conf files in a root of their own. */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { formatReference } from "../image/reference.ts";
import { parseName } from "./short-names.ts";

const root = mkdtempSync(join(tmpdir(), "hb-names-"));
afterAll(() => rmSync(root, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

write(
  "etc/containers/registries.conf",
  `unqualified-search-registries = ["quay.test"]
  [aliases]
  "tool" = "main.test/tool"
  "v1.2" = "main.test/dotted"
  "team/tool" = "main.test/team"
  bare = "main.test/bare"
  'quoted' = 'main.test/quoted'
  "gone" = "main.test/gone"
  "hello" = "main.test/hello"
  `,
);
write("etc/containers/registries.conf.d/10.conf", '[aliases]\n"tool" = "drop-in.test/a/tool"\n');
write("etc/containers/registries.conf.d/20.conf", '[aliases]\n"gone" = ""\n');
write("home/.config/containers/registries.conf.d/1.conf", 'aliases = { own = "own.test:5000/x" }');

const place = { env: { HOME: join(root, "home") }, root };
const meaning = (text: string): string => formatReference(parseName(text, place));
const digest = `sha256:${"0".repeat(64)}`;

test.each([
  ["tool", "drop-in.test/a/tool:latest"],
  ["tool:2", "drop-in.test/a/tool:2"],
  [`tool:2@${digest}`, `drop-in.test/a/tool:2@${digest}`],
  ["team/tool:3", "main.test/team:3"],
  ["v1.2", "main.test/dotted:latest"],
  ["bare", "main.test/bare:latest"],
  ["quoted:1", "main.test/quoted:1"],
  ["own", "own.test:5000/x:latest"],
])("%s is the alias %s", (text, reference) => {
  expect(meaning(text)).toBe(reference);
});

test.each([
  ["gone", "docker.io/library/gone:latest"],
  ["other", "docker.io/library/other:latest"],
  ["vs1s2", "docker.io/library/vs1s2:latest"],
  ["library/tool", "docker.io/library/tool:latest"],
  ["docker.io/tool", "docker.io/library/tool:latest"],
  ["quay.test/tool", "quay.test/tool:latest"],
  ["localhost/tool", "localhost/tool:latest"],
  ["constructor", "docker.io/library/constructor:latest"],
  // What is inside hb is not a name's to give away.
  ["hello", "docker.io/library/hello:latest"],
  ["hello:latest", "main.test/hello:latest"],
])("%s has none and is %s", (text, reference) => {
  expect(meaning(text)).toBe(reference);
});

describe("a file that is wrong", () => {
  const wrong = (text: string) => {
    const folder = mkdtempSync(join(root, "wrong-"));
    mkdirSync(join(folder, "etc/containers"), { recursive: true });
    writeFileSync(join(folder, "etc/containers/registries.conf"), text);
    return (name: string) => formatReference(parseName(name, { env: {}, root: folder }));
  };

  test.each([
    ['[aliases]\n"x" = "y"', "no name with a registry"],
    ['[aliases]\n"x" = "y/z"', "no name with a registry"],
    ['[aliases]\n"x" = "r.test/y:1"', "no name with a registry"],
    ['[aliases]\n"x" = 1', "no name with a registry"],
    ['[aliases\n"x" = "r.test/y"', "it is not TOML"],
  ])("%j is one line with the file's name", (text, why) => {
    const mean = wrong(text);
    expect(() => mean("x")).toThrow(/^Cannot read \/.*\/etc\/containers\/registries\.conf: /);
    expect(() => mean("x")).toThrow(why);
  });

  test("does not matter to names that are not in it", () => {
    expect(wrong('[aliases\n"x" = "r.test/y"')("other")).toBe("docker.io/library/other:latest");
  });
});
