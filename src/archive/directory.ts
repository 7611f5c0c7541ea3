/**
 * Images as a directory of plain files (`hb store export`):
 *
 *   hb-store.json           which images there are, and where their layers are
 *   blobs/<algorithm>/<hex> documents as received, and layers: their tars, compressed anew
 *   tmp/                    what a killed export left; the next one removes it
 *
 * This is its list, and how files of such a directory are read. A directory that comes out of a
 * cache is as hostile as a registry: no name in the list becomes a path but digests.
 */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { HbError } from "../errors.ts";
import { configBytesMax } from "../image/config.ts";
import { type Digest, digestAlgorithm, digestHex, parseDigest } from "../image/digest.ts";
import { expectArray, expectObject, expectSize, expectString, parseJson } from "../image/json.ts";
import { formatPlatform, hostPlatform, type Platform, parsePlatform } from "../image/platform.ts";
import { formatReference, parseReference, type Reference } from "../image/reference.ts";
import { blobName } from "./layout.ts";

/** The list's name, which also says that the directory is an export. */
export const listFile = "hb-store.json";

/** The only form there is so far. */
const version = 1;
const chunkBytes = 1 << 20;

/** One image of an export. */
export interface ExportedImage {
  readonly reference: Reference;
  /** What was asked for when it was pulled. */
  readonly platform: Platform;
  /** Its index, or the manifest of an image without one. */
  readonly digest: Digest;
}

/** A file below `blobs/`. */
export interface ExportedFile {
  readonly digest: Digest;
  readonly size: number;
}

/** What an export has. */
export interface ExportList {
  readonly images: readonly ExportedImage[];
  /** By the digests that manifests have for them. */
  readonly layers: ReadonlyMap<Digest, ExportedFile>;
}

/** The list in `directory`; undefined where it has none. */
export function readList(directory: string): ExportList | undefined {
  const bytes = readBounded(`${directory}/${listFile}`);
  if (bytes === undefined) return undefined;
  try {
    return parseList(bytes);
  } catch (error) {
    throw new HbError(`"${directory}" is no export that this hb can read`, {
      cause: error,
      hint: "remove the directory, and export into it anew",
    });
  }
}

function parseList(bytes: Uint8Array): ExportList {
  const list = expectObject(parseJson(bytes, listFile), listFile);
  if (list.version !== version) throw new HbError(`Cannot read ${listFile}: not of version 1`);
  const host = hostPlatform(process.arch);
  const images = expectArray(list.images, "images").map((value, i) => {
    const where = `images[${i}]`;
    const image = expectObject(value, where);
    return {
      reference: parseReference(expectString(image.reference, `${where}.reference`)),
      platform: parsePlatform(expectString(image.platform, `${where}.platform`), host),
      digest: parseDigest(expectString(image.digest, `${where}.digest`)),
    };
  });
  const layers = Object.entries(expectObject(list.layers, "layers")).map(([key, value]) => {
    const where = `layers["${key}"]`;
    const file = expectObject(value, where);
    const digest = parseDigest(expectString(file.digest, `${where}.digest`));
    return [parseDigest(key), { digest, size: expectSize(file.size, `${where}.size`) }] as const;
  });
  return { images, layers: new Map(layers) };
}

/** The list as it is written: the same images make the same bytes. */
export function formatList({ images, layers }: ExportList): string {
  const list = {
    version,
    images: images
      .map(({ reference, platform, digest }) => ({
        reference: formatReference(reference),
        platform: formatPlatform(platform),
        digest,
      }))
      .sort((a, b) => compare(a.reference, b.reference) || compare(a.platform, b.platform)),
    layers: Object.fromEntries([...layers].sort(([a], [b]) => compare(a, b))),
  };
  return `${JSON.stringify(list, undefined, 2)}\n`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** A document of `directory`, its digest not looked at; undefined where it is not there. */
export function readDocument(directory: string, digest: Digest): Uint8Array | undefined {
  return readBounded(`${directory}/${blobName(digest)}`);
}

function readBounded(path: string): Uint8Array | undefined {
  const file = openPlain(path);
  if (file === undefined) return undefined;
  try {
    if (file.size > configBytesMax) {
      throw new HbError(`"${path}" has ${file.size} bytes, at most ${configBytesMax} are taken`);
    }
    const bytes = new Uint8Array(file.size);
    return bytes.subarray(0, readSync(file.fd, bytes));
  } finally {
    closeSync(file.fd);
  }
}

/** The bytes of a layer's file in chunks; the end throws if they are not those of its digest. */
export async function* readLayer(
  directory: string,
  { digest, size }: ExportedFile,
): AsyncGenerator<Uint8Array, void, undefined> {
  const path = `${directory}/${blobName(digest)}`;
  const file = openPlain(path);
  if (file === undefined) throw new HbError(`"${path}" is missing`, { hint: "export it again" });
  try {
    const hash = new Bun.CryptoHasher(digestAlgorithm(digest));
    for (let left = file.size === size ? size : 0; left > 0; ) {
      const chunk = new Uint8Array(Math.min(chunkBytes, left));
      const count = readSync(file.fd, chunk);
      if (count === 0) break; // cut off meanwhile: the digest will tell
      left -= count;
      hash.update(chunk.subarray(0, count));
      yield chunk.subarray(0, count);
    }
    if (hash.digest("hex") === digestHex(digest)) return;
    throw new HbError(`"${path}" is damaged`, { hint: "export it again" });
  } finally {
    closeSync(file.fd);
  }
}

/** Opens a plain file and nothing else: a pipe would never end, a link lead anywhere. */
function openPlain(path: string): { readonly fd: number; readonly size: number } | undefined {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let fd: number;
  try {
    fd = openSync(path, flags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "ELOOP") throw notPlain(path);
    throw new HbError(`Cannot read "${path}"`, { cause: error });
  }
  const stat = fstatSync(fd);
  if (stat.isFile()) return { fd, size: stat.size };
  closeSync(fd);
  throw notPlain(path);
}

function notPlain(path: string): HbError {
  return new HbError(`"${path}" is no plain file`, { hint: "export it again" });
}
