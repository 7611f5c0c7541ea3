import { beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Digest, digestHex, digestOf } from "../image/digest.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import { putBlobs } from "./blobs.ts";
import { checkImages } from "./check.ts";
import { type ImageRecord, writeImage } from "./images.ts";
import {
  blobPath,
  createStore,
  imageRecordPath,
  layerDiffPath,
  layerPath,
  openStore,
  type StorePaths,
  within,
} from "./layout.ts";

const platform = { os: "linux", architecture: "amd64" };
const reference = parseReference("registry.example:5000/app:1");
const lower = digestOf("lower");
const upper = digestOf("upper");

let store: StorePaths;
let record: ImageRecord;

beforeEach(() => {
  store = openStore(mkdtempSync(join(tmpdir(), "hb-check-")));
  createStore(store, process.geteuid?.() ?? 0);
  record = putImage([lower, upper]);
});

/** A whole image of these layers, as a pull leaves it. */
function putImage(diffIDs: readonly Digest[]): ImageRecord {
  const config = bytesOf({
    ...{ os: "linux", architecture: "amd64" },
    rootfs: { type: "layers", diff_ids: diffIDs },
  });
  const manifest = bytesOf({ config: { digest: digestOf(config) } });
  for (const diffID of diffIDs) putLayer(digestHex(diffID));
  const made: ImageRecord = {
    ...{ reference: formatReference(reference), platform, sizeBytes: 2048 },
    ...{ manifest: digestOf(manifest), config: digestOf(config) },
    layers: [...new Set(diffIDs.map(digestHex))],
    pulledAt: "2026-01-02T03:04:05.000Z",
  };
  const blobs = new Map([config, manifest].map((bytes) => [digestOf(bytes), bytes]));
  putBlobs(store, blobs, () => writeImage(store, reference, platform, made));
  return made;
}

function putLayer(name: string): void {
  mkdirSync(layerDiffPath(store, name), { recursive: true });
  writeFileSync(within(layerDiffPath(store, name), "file"), "content");
  writeFileSync(within(layerPath(store, name), "size"), "200000\n");
}

function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function flipByte(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

function defects(): readonly string[] {
  return checkImages(store, new Map()).flatMap((image) => image.defects);
}

const recordFile = () => imageRecordPath(store, reference, platform);
const upperLayer = () => layerPath(store, digestHex(upper));
const name = digestHex(upper).slice(0, 12);

describe("checkImages()", () => {
  test("finds nothing wrong with what a pull leaves", () => {
    expect(defects()).toEqual([]);
    expect(checkImages(store, new Map())).toMatchObject([
      { name: "registry.example:5000/app:1 (linux/amd64)", wanted: { reference, platform } },
    ]);
  });

  test("takes a layer that the image has twice for one, where it is topmost", () => {
    record = putImage([upper, lower, upper]);
    writeImage(store, reference, platform, { ...record, layers: [lower, upper].map(digestHex) });
    expect(defects()).toEqual([]);
  });

  const cases: [string, () => void, RegExp][] = [
    ["a flipped byte in a manifest", () => flipByte(blobPath(store, record.manifest)), /changed/],
    ["a flipped byte in a config", () => flipByte(blobPath(store, record.config)), /changed/],
    ["a missing config", () => rmSync(blobPath(store, record.config)), /config.*missing/],
    ["a missing layer", () => rmSync(upperLayer(), { recursive: true }), /layer.*is missing/],
    [
      "a layer without its files",
      () => rmSync(within(upperLayer(), "diff"), { recursive: true }),
      /files are missing/,
    ],
    [
      "a layer whose files are gone",
      () => rmSync(within(layerDiffPath(store, digestHex(upper)), "file")),
      /files are missing/,
    ],
    [
      "a layer that is a link to elsewhere",
      () => {
        rmSync(upperLayer(), { recursive: true });
        symlinkSync("/", upperLayer());
      },
      /no directory/,
    ],
    ["a size cut short", () => writeFileSync(within(upperLayer(), "size"), ""), /size/],
    ["a record cut short", () => writeFileSync(recordFile(), "{"), /its record/],
    [
      "a record of other layers",
      () => writeImage(store, reference, platform, { ...record, layers: [digestHex(lower)] }),
      /other layers/,
    ],
    [
      "another image's record",
      () => writeImage(store, reference, platform, { ...record, reference: "docker.io/a/b:1" }),
      /that of docker.io\/a\/b:1/,
    ],
  ];
  for (const [what, damage, words] of cases) {
    test(`names ${what}`, () => {
      damage();
      expect(defects()).toEqual([expect.stringMatching(words)]);
    });
  }

  test("says which layers are in the way of another pull", () => {
    writeFileSync(within(upperLayer(), "size"), "");
    const [image] = checkImages(store, new Map());
    expect(image?.damagedLayers).toEqual([digestHex(upper)]);
    expect(image?.defects[0]).toContain(name);
  });

  test("names a file that is no image's", () => {
    writeFileSync(within(store.images, "stray"), "");
    expect(defects()).toEqual(["it is no image's record"]);
  });

  test("lets an image's root directory be empty where all of it waits for the layers below", () => {
    rmSync(within(layerDiffPath(store, digestHex(upper)), "file"));
    writeFileSync(within(upperLayer(), "pending"), "");
    expect(defects()).toEqual([]);
  });
});
