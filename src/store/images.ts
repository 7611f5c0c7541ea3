/**
 * Image records: which manifest and which layers a reference means on a platform.
 *
 * One small JSON file per reference and platform, replaced by rename and written last, so that a
 * record is there only when everything it names is. Readers need no lock.
 */

import {
  closeSync,
  type Dirent,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { HbError } from "../errors.ts";
import { type Digest, parseDigest } from "../image/digest.ts";
import type { Platform } from "../image/platform.ts";
import type { Reference } from "../image/reference.ts";
import {
  imagePath,
  imageRecordPath,
  type StorePath,
  type StorePaths,
  storeError,
} from "./layout.ts";

/** One reference on one platform, wholly in the store. */
export interface ImageRecord {
  /** Canonical: `docker.io/library/debian:12`. */
  readonly reference: string;
  /** What the image says it is, which may be less than what was asked for. */
  readonly platform: Platform;
  readonly manifest: Digest;
  /** The index that chose the manifest. */
  readonly index?: Digest;
  readonly config: Digest;
  /** What the config says of when it was made, so that a listing reads no configs; if known. */
  readonly created?: string;
  /** Directory names under layers/, the lowest first, patches included. */
  readonly layers: readonly string[];
  /** Bytes of the files in all layers. */
  readonly sizeBytes: number;
  /** RFC 3339. */
  readonly pulledAt: string;
}

/** A record and the file it is in. */
export interface StoredImage {
  readonly record: ImageRecord;
  readonly file: StorePath;
}

/** The record of `reference` on `platform`, if it was pulled. */
export function findImage(
  store: StorePaths,
  reference: Reference,
  platform: Platform,
): ImageRecord | undefined {
  return findStoredImage(store, reference, platform)?.record;
}

/** The same with its file. */
export function findStoredImage(
  store: StorePaths,
  reference: Reference,
  platform: Platform,
): StoredImage | undefined {
  const file = imageRecordPath(store, reference, platform);
  const exact = readRecord(file);
  if (exact !== undefined) return { record: exact, file };
  if (reference.digest === undefined) return undefined;
  // What a digest names may have come by a tag of the same repository.
  const name = imagePath(store, reference);
  const repository = name.slice(0, name.lastIndexOf("@"));
  for (const { name: sibling } of entriesIn(dirname(name))) {
    const directory = `${dirname(name)}/${sibling}`;
    if (!directory.startsWith(`${repository}:`)) continue;
    const tag = sibling.slice(sibling.indexOf(":") + 1);
    const tagged = { registry: reference.registry, repository: reference.repository, tag };
    const file = imageRecordPath(store, tagged, platform);
    const record = readRecord(file);
    if (record?.manifest === reference.digest || record?.index === reference.digest) {
      return { record, file };
    }
  }
  return undefined;
}

/** How exactly a last use is known: a start in between leaves the file alone. */
const USE_NOTED_EVERY_MS = 3_600_000;

/** Writes down that the image is used: the time of its record's file. */
export function noteUse({ file }: StoredImage): void {
  const now = Date.now();
  // A clock that was ahead for a while must not make an image the latest used for good.
  if (Math.abs(now - lastUseMs(file)) < USE_NOTED_EVERY_MS) return;
  try {
    utimesSync(file, now / 1000, now / 1000);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    // Removed meanwhile, or a store that can only be read: it is pruned by nobody or by others.
    if (!["ENOENT", "EROFS", "EACCES", "EPERM"].includes(code)) throw error;
  }
}

/** When the image was pulled or last run, to the hour. */
export function lastUseMs(file: StorePath): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Every record in the store, or in one directory of it, by reference and platform. */
export function listImages(store: StorePaths, directory = store.images): StoredImage[] {
  return recordFilesIn(directory).flatMap((file) => {
    const record = readRecord(file);
    return record === undefined ? [] : [{ record, file }];
  });
}

/** The files of all records, readable or not, in `listImages`' order. */
export function listRecordFiles(store: StorePaths): StorePath[] {
  return recordFilesIn(store.images);
}

function recordFilesIn(directory: StorePath): StorePath[] {
  const files: StorePath[] = [];
  collect(directory, files);
  return files.sort();
}

function collect(directory: StorePath, files: StorePath[]): void {
  for (const entry of entriesIn(directory)) {
    // No need to look at a name from a directory for what leads out of it (`within`).
    const path = `${directory}/${entry.name}` as StorePath;
    if (entry.isDirectory()) collect(path, files);
    else if (entry.isFile()) files.push(path);
  }
}

/** Writes the record for `reference` on `platform`, atomically and durably. */
export function writeImage(
  store: StorePaths,
  reference: Reference,
  platform: Platform,
  record: ImageRecord,
): void {
  writeRecord(store, imageRecordPath(store, reference, platform), record);
}

/** Writes the record `file`, atomically and durably. */
export function writeRecord(store: StorePaths, file: StorePath, record: ImageRecord): void {
  try {
    // rmi removes directories that become empty; whoever loses that race makes them again.
    for (let attempt = 0; ; attempt++) {
      try {
        mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
        writeDurably(store, file, `${JSON.stringify(record, undefined, 2)}\n`);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt === 9) throw error;
      }
    }
  } catch (error) {
    throw storeError(store, error);
  }
}

/** Removes one record, and the directories it leaves empty. */
export function removeImage(store: StorePaths, image: StoredImage): void {
  rmSync(image.file, { force: true });
  for (let dir = dirname(image.file); dir !== store.images; dir = dirname(dir)) {
    try {
      rmdirSync(dir);
    } catch (error) {
      // Not empty: other tags. Gone: another rmi was here.
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOENT") return;
      throw error;
    }
  }
}

/** temp -> fsync -> rename: a reader sees the old file or the new one, also after a power cut. */
export function writeDurably(store: StorePaths, file: string, content: string | Uint8Array): void {
  const temporary = `${store.tmp}/${process.pid}-${crypto.randomUUID()}`;
  const fd = openSync(temporary, "wx", 0o600);
  try {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

function entriesIn(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return []; // removed meanwhile, or never there
    throw new HbError(`Cannot read the store's "${directory}"`, {
      cause: error,
      hint: "set HB_ROOT to a directory of your own",
    });
  }
}

/** The record in `file`, if there is one; a file that is no record is an error. */
export function readRecord(file: string): ImageRecord | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new HbError(`Cannot read the image record "${file}"`, { cause: error });
  }
  try {
    return parseRecord(JSON.parse(text));
  } catch (error) {
    throw new HbError(`Cannot read the image record "${file}"`, {
      cause: error,
      hint: "repair it with 'hb check --repair'",
    });
  }
}

function parseRecord(value: unknown): ImageRecord {
  if (typeof value !== "object" || value === null) throw new HbError("it is no JSON object");
  const record = value as Partial<Record<keyof ImageRecord, unknown>>;
  const { created, reference, platform, layers, sizeBytes, pulledAt } = record;
  if (typeof reference !== "string" || typeof pulledAt !== "string") {
    throw new HbError("its reference or pulledAt is missing");
  }
  if (!isPlatform(platform)) throw new HbError("its platform is missing");
  if (!Array.isArray(layers) || !layers.every((name) => typeof name === "string")) {
    throw new HbError("its layers are missing");
  }
  if (typeof sizeBytes !== "number") throw new HbError("its sizeBytes is missing");
  return {
    reference,
    platform,
    manifest: parseDigest(String(record.manifest)),
    ...(record.index === undefined ? {} : { index: parseDigest(String(record.index)) }),
    config: parseDigest(String(record.config)),
    ...(typeof created === "string" && { created }),
    layers,
    sizeBytes,
    pulledAt,
  };
}

function isPlatform(value: unknown): value is Platform {
  if (typeof value !== "object" || value === null) return false;
  const { os, architecture, variant } = value as Partial<Record<keyof Platform, unknown>>;
  if (variant !== undefined && typeof variant !== "string") return false;
  return typeof os === "string" && typeof architecture === "string";
}
