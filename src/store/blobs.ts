/**
 * Manifests, indexes and configs, byte for byte as they came, under their digests.
 *
 * Layers are not here: only their unpacked form is kept. `blobs/` itself is the lock between pulls
 * that put blobs before their record (shared) and the collection of unreferenced ones (exclusive);
 * both hold it for moments.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { HbError } from "../errors.ts";
import { type Digest, digestMatches, isDigest } from "../image/digest.ts";
import { type ImageRecord, listImages, writeDurably } from "./images.ts";
import { blobPath, type StorePaths, within } from "./layout.ts";
import { waitLock } from "./lock.ts";

/** Puts blobs and then does `record`, with no collection in between. */
export function putBlobs(
  store: StorePaths,
  blobs: ReadonlyMap<Digest, Uint8Array>,
  record: () => void,
): void {
  using _lock = waitLock(store.blobs, "shared");
  for (const [digest, bytes] of blobs) {
    const file = blobPath(store, digest);
    // What has been damaged since is put anew.
    if (blobDefect(store, digest) === undefined) continue;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeDurably(store, file, bytes);
  }
  record();
}

/** The blob `digest`, checked again: what is on disk is what was pulled, or an error. */
export function readBlob(store: StorePaths, digest: Digest): Uint8Array {
  const hint = "repair it with 'hb check --repair'";
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(blobPath(store, digest));
  } catch (error) {
    throw new HbError(`Cannot read ${digest} from the store`, { cause: error, hint });
  }
  if (digestMatches(digest, bytes)) return bytes;
  throw new HbError(`Cannot use ${digest} from the store: its content has changed`, { hint });
}

/** What is wrong with the blob `digest` on disk, in words; undefined: nothing. */
export function blobDefect(store: StorePaths, digest: Digest): string | undefined {
  try {
    const bytes = readFileSync(blobPath(store, digest));
    return digestMatches(digest, bytes) ? undefined : "its content has changed";
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? "it is missing" : `it cannot be read: ${code ?? message}`;
  }
}

/** Removes blobs no image record names; returns how many bytes that freed. */
export function collectBlobs(store: StorePaths): number {
  if (!existsSync(store.blobs)) return 0;
  using _lock = waitLock(store.blobs, "exclusive");
  const used = new Set(listImages(store).flatMap(({ record }) => blobsOf(record)));
  let freed = 0;
  for (const algorithm of readdirSync(store.blobs)) {
    for (const hex of readdirSync(within(store.blobs, algorithm))) {
      const digest = `${algorithm}:${hex}`;
      if (!isDigest(digest) || used.has(digest)) continue;
      const file = blobPath(store, digest);
      freed += Bun.file(file).size;
      rmSync(file, { force: true });
    }
  }
  return freed;
}

function blobsOf(record: ImageRecord): Digest[] {
  const digests = [record.manifest, record.config];
  return record.index === undefined ? digests : [...digests, record.index];
}
