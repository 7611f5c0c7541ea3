/**
 * hb.lock: what references meant when they were locked. JSON with sorted keys, so that the same
 * images always make the same bytes and a change is a line in a diff.
 */

import { readFileSync } from "node:fs";
import { HbError } from "./errors.ts";
import { type Digest, parseDigest } from "./image/digest.ts";
import { expectObject, expectString, parseJson } from "./image/json.ts";
import { familiarName, formatReference, type Reference } from "./image/reference.ts";

/** Where it is when nothing else is said. */
export const lockFileName = "hb.lock";

/** What one reference means. */
export interface LockedImage {
  /** Of the index where there is one, else of the manifest. */
  readonly digest: Digest;
  /** The manifest for each platform. */
  readonly platforms: Readonly<Record<string, Digest>>;
}

/** By canonical reference. */
export type LockFile = Readonly<Record<string, LockedImage>>;

const VERSION = 1;

/** The lock in `file`; undefined where there is none. */
export function readLockFile(file: string): LockFile | undefined {
  try {
    return parseLockFile(readFileSync(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new HbError(`Cannot read the lock file "${file}"`, {
      cause: error,
      hint: "remove that file and make it anew with 'hb lock IMAGE'",
    });
  }
}

/** A lock from the bytes of a file. */
export function parseLockFile(bytes: Uint8Array): LockFile {
  const { version, images } = expectObject(parseJson(bytes, "lock"), "lock");
  if (version !== VERSION) throw new HbError(`its version is ${JSON.stringify(version)}, not 1`);
  return mapValues(expectObject(images, "images"), (value, name) => {
    const entry = expectObject(value, name);
    return {
      digest: parseDigest(expectString(entry.digest, `${name}.digest`)),
      platforms: mapValues(expectObject(entry.platforms, `${name}.platforms`), (digest, platform) =>
        parseDigest(expectString(digest, `${name}.${platform}`)),
      ),
    };
  });
}

/** The file's text. */
export function formatLockFile(lock: LockFile): string {
  const images = mapValues(lock, ({ digest, platforms }) => {
    return { digest, platforms: mapValues(platforms, (each) => each) };
  });
  return `${JSON.stringify({ version: VERSION, images }, undefined, 2)}\n`;
}

/** `reference` as it was locked in `file`, by digest; an error for what is not in it. */
export function lockedReference(reference: Reference, file: string): Reference {
  const lock = readLockFile(file);
  const { registry, repository } = reference;
  const name = familiarName(reference);
  const hint = `lock it with 'hb lock ${file === lockFileName ? "" : `--file ${file} `}${name}'`;
  if (lock === undefined) {
    throw new HbError(`Cannot use ${name}: there is no lock file "${file}"`, { hint });
  }
  const key = formatReference(reference);
  const locked = Object.hasOwn(lock, key) ? lock[key] : undefined;
  if (locked !== undefined) return { registry, repository, digest: locked.digest };
  throw new HbError(`Cannot use ${name}: it is not in "${file}"`, { hint });
}

function mapValues<From, To>(
  object: Readonly<Record<string, From>>,
  change: (value: From, key: string) => To,
): Record<string, To> {
  const keys = Object.keys(object).sort();
  return Object.fromEntries(keys.map((key) => [key, change(object[key] as From, key)]));
}
