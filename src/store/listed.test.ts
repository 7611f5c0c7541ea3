import { beforeEach, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Digest, digestOf } from "../image/digest.ts";
import { putBlobs } from "./blobs.ts";
import type { ImageRecord } from "./images.ts";
import { createStore, openStore, type StorePaths } from "./layout.ts";
import { readCreated, readListed } from "./listed.ts";

const made = "2026-01-02T03:04:05.000Z";
const config = new TextEncoder().encode(
  JSON.stringify({ created: made, config: { Labels: { a: "b" } } }),
);

let store: StorePaths;

beforeEach(() => {
  store = openStore(mkdtempSync(join(tmpdir(), "hb-listed-")));
  createStore(store, process.geteuid?.() ?? 0);
  putBlobs(store, new Map([[digestOf(config), config]]), () => undefined);
});

function record(config: Digest, created?: string): ImageRecord {
  return {
    ...{ reference: "registry.example/app:1", platform: { os: "linux", architecture: "amd64" } },
    ...{ manifest: digestOf("manifest"), config, layers: [], sizeBytes: 0, pulledAt: made },
    ...(created !== undefined && { created }),
  };
}

test("when an image was made is taken from its record, without looking for its config", () => {
  const absent = record(digestOf("absent"), made);
  expect(readCreated(store, absent)).toEqual({
    record: absent,
    labels: {},
    created: new Date(made),
  });
});

test("a record that does not say it leads to the config, as labels do", () => {
  const older = record(digestOf(config));
  const said = { record: older, labels: { a: "b" }, created: new Date(made) };
  expect(readCreated(store, older)).toEqual(said);
  expect(readListed(store, record(digestOf(config), "1999-01-01T00:00:00Z")).created).toEqual(
    new Date(made),
  );
});

test("a config that is missing or says nonsense leaves an image without a date", () => {
  expect(readListed(store, record(digestOf("absent")))).toMatchObject({ labels: {} });
  expect(readCreated(store, record(digestOf(config), "nonsense")).created).toBeUndefined();
});
