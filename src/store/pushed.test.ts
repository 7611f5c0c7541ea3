/** What is remembered of a layer's pushes, in a real directory. */

import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Digest } from "../image/digest.ts";
import { openStore } from "./layout.ts";
import { notePushed, readPushed } from "./pushed.ts";

const root = mkdtempSync(join(tmpdir(), "hb-pushed-"));
const store = openStore(root);
const name = "a".repeat(64);
const file = join(store.layers, name, "pushed");
mkdirSync(join(store.layers, name), { recursive: true });
mkdirSync(store.tmp);
afterAll(() => rmSync(root, { recursive: true }));

function blob(mediaType: string, fill: string) {
  return { mediaType, digest: `sha256:${fill.repeat(64)}` as Digest, size: 7 };
}

test("nothing is known of a layer that was never pushed, or of one that is not there", () => {
  expect(readPushed(store, name)).toEqual([]);
  expect(readPushed(store, "b".repeat(64))).toEqual([]);
});

test("of each media type the latest blob is known, with the repositories that have it", () => {
  notePushed(store, name, blob("gzip", "1"), "r/a");
  notePushed(store, name, blob("zstd", "2"), "r/a");
  notePushed(store, name, blob("gzip", "1"), "r/b");
  expect(readPushed(store, name)).toEqual([
    { ...blob("gzip", "1"), repositories: ["r/b", "r/a"] },
    { ...blob("zstd", "2"), repositories: ["r/a"] },
  ]);
  notePushed(store, name, blob("gzip", "3"), "r/c");
  expect(readPushed(store, name)[0]).toEqual({ ...blob("gzip", "3"), repositories: ["r/c"] });
});

test("no more than eight repositories and four blobs are kept", () => {
  for (let n = 0; n < 20; n++) notePushed(store, name, blob("gzip", "4"), `r/${n}`);
  for (let n = 0; n < 20; n++) notePushed(store, name, blob(`type-${n}`, "5"), "r/x");
  notePushed(store, name, blob("gzip", "6"), "r/0");
  for (let n = 0; n < 20; n++) notePushed(store, name, blob("gzip", "6"), `r/${n}`);
  const known = readPushed(store, name);
  expect(known.length).toBe(4);
  expect(known[0]?.repositories.length).toBe(8);
  expect(known[0]?.repositories[0]).toBe("r/19");
});

test.each([["{"], ["{}"], ["[1]"], ['[{"digest":"sha256:../x"}]'], [""]])(
  "a file with %j says nothing",
  (text) => {
    writeFileSync(file, text);
    expect(readPushed(store, name)).toEqual([]);
  },
);

test("a layer that cannot be written to is no failure", () => {
  notePushed(store, "c".repeat(64), blob("gzip", "1"), "r/a");
  expect(readPushed(store, "c".repeat(64))).toEqual([]);
});
