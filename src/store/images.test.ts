import { beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "../image/digest.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import {
  findImage,
  findStoredImage,
  type ImageRecord,
  lastUseMs,
  listImages,
  noteUse,
  removeImage,
  writeImage,
} from "./images.ts";
import { createStore, imageRecordPath, openStore, type StorePaths } from "./layout.ts";
import { filterImages, selectImages } from "./select.ts";

const amd64 = { os: "linux", architecture: "amd64" };
const arm64 = { os: "linux", architecture: "arm64" };

let store: StorePaths;

beforeEach(() => {
  store = openStore(mkdtempSync(join(tmpdir(), "hb-images-")));
  createStore(store, process.geteuid?.() ?? 0);
});

function put(name: string, platform = amd64, content = name): ImageRecord {
  const reference = parseReference(name);
  const record: ImageRecord = {
    reference: formatReference(reference),
    platform,
    manifest: digestOf(`manifest of ${content}`),
    index: digestOf(`index of ${content}`),
    config: digestOf(`config of ${content}`),
    layers: [],
    sizeBytes: 5,
    pulledAt: "2026-01-02T03:04:05.000Z",
  };
  writeImage(store, reference, platform, record);
  return record;
}

function find(name: string, platform = amd64): ImageRecord | undefined {
  return findImage(store, parseReference(name), platform);
}

function select(text: string): string[] {
  return selectImages(store, text).images.map(({ record }) => record.reference);
}

describe("noteUse()", () => {
  test("writes a use down once an hour, and a clock that was ahead is put right", () => {
    put("debian:12");
    const image = findStoredImage(store, parseReference("debian:12"), amd64);
    if (image === undefined) throw new Error("it is not there");
    const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);
    for (const [minutes, isNoted] of [
      [59, false],
      [61, true],
      [-61, true],
    ] as const) {
      const then = minutesAgo(minutes);
      utimesSync(image.file, then, then);
      noteUse(image);
      const noted = Math.abs(lastUseMs(image.file) - Date.now()) < 60_000;
      expect(noted).toBe(isNoted);
    }
  });

  test("does not mind an image that is removed meanwhile", () => {
    put("debian:12");
    const [image] = listImages(store);
    if (image === undefined) throw new Error("it is not there");
    removeImage(store, image);
    noteUse(image);
    expect(listImages(store)).toEqual([]);
  });
});

describe("findImage()", () => {
  test("finds what was written, on its platform only", () => {
    const record = put("debian:12");
    expect(find("docker.io/library/debian:12")).toEqual(record);
    expect(find("debian:12", arm64)).toBeUndefined();
    expect(find("debian:11")).toBeUndefined();
    expect(find("debian")).toBeUndefined();
  });

  test("finds by digest what came by a tag of the same repository", () => {
    const record = put("h:5000/a/b:1");
    expect(find(`h:5000/a/b@${record.manifest}`)).toEqual(record);
    expect(find(`h:5000/a/b@${record.index}`)).toEqual(record);
    expect(find(`h:5000/a/b@${record.config}`)).toBeUndefined();
    expect(find(`h:5000/a/bc@${record.manifest}`)).toBeUndefined();
  });

  test("says which record is damaged and what to do", () => {
    put("debian:12");
    const file = imageRecordPath(store, parseReference("debian:12"), amd64);
    writeFileSync(file, `{"reference":"x"`);
    expect(() => find("debian:12")).toThrow("Cannot read the image record");
    writeFileSync(file, `{"reference":"x","pulledAt":"y","platform":{"os":"linux"}}`);
    expect(() => find("debian:12")).toThrow("Cannot read the image record");
  });
});

describe("listImages()", () => {
  test("lists all tags, digests and platforms, however deep repositories nest", () => {
    const record = put("h:5000/a/b/c.json:v1.json");
    put("h:5000/a:1");
    put("debian:12");
    put("debian:12", arm64);
    put(`debian@${record.manifest}`);
    expect(listImages(store).map(({ record: { reference } }) => reference)).toEqual([
      "docker.io/library/debian:12",
      "docker.io/library/debian:12",
      `docker.io/library/debian@${record.manifest}`,
      "h:5000/a/b/c.json:v1.json",
      "h:5000/a:1",
    ]);
  });

  test("is empty where there is no store", () => {
    expect(listImages(openStore("/nonexistent/store"))).toEqual([]);
  });
});

test("removeImage() removes the directories it leaves empty, and no others", () => {
  put("h:5000/a/b:1");
  put("h:5000/a/b:2");
  for (const image of listImages(store)) removeImage(store, image);
  expect(existsSync(store.images)).toBe(true);
  expect(readdirSync(store.images)).toEqual([]);
  expect(readdirSync(store.tmp)).toEqual([]);
});

describe("selectImages()", () => {
  test("takes a reference, a repository's digest, an id and its beginning", () => {
    const record = put("debian:12");
    const name = "docker.io/library/debian:12";
    for (const text of [
      "debian:12",
      name,
      `debian@${record.index}`,
      record.config,
      record.config.slice(7, 19),
    ]) {
      expect(select(text)).toEqual([name]);
    }
    expect(select("debian")).toEqual([]);
  });

  test("gives every name of an id, and prefers a name that looks like one", () => {
    put("a:1", amd64, "same");
    const record = put("b:1", amd64, "same");
    const id = record.config.slice(7, 19);
    expect(select(id)).toHaveLength(2);
    put(`${id}:latest`);
    expect(select(id)).toEqual([`docker.io/library/${id}:latest`]);
  });
});

test("filterImages() takes a repository with all its tags, or one tag", () => {
  put("debian:11");
  put("debian:12");
  put("h:5000/debian:12");
  const filter = (text: string) => filterImages(listImages(store), text).length;
  expect([filter("debian"), filter("debian:12"), filter("h:5000/debian")]).toEqual([2, 1, 1]);
});
