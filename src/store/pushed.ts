/**
 * What a layer came to when it was compressed for a push: `pushed` in its directory, at most one
 * blob for each media type. The next push asks the registry for that blob before it compresses
 * again. A hint and no more: it may be wrong or missing, and the registry decides.
 */

import { readFileSync } from "node:fs";
import type { Descriptor } from "../image/descriptor.ts";
import { isDigest } from "../image/digest.ts";
import { writeDurably } from "./images.ts";
import { layerPath, type StorePaths, within } from "./layout.ts";

/** One blob, and repositories (`registry.example/app`) that have got it, the latest first. */
export interface PushedBlob extends Pick<Descriptor, "mediaType" | "digest" | "size"> {
  readonly repositories: readonly string[];
}

const blobsMax = 4;
const repositoriesMax = 8;

/** What is known of the layer `name`; nothing where that cannot be read. */
export function readPushed(store: StorePaths, name: string): readonly PushedBlob[] {
  try {
    const value: unknown = JSON.parse(readFileSync(fileOf(store, name), "utf8"));
    return Array.isArray(value) ? value.filter(isPushedBlob) : [];
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof Error && "code" in error)) return [];
    throw error;
  }
}

/** Keeps that `repository` has `blob`; of a layer that is gone nothing is kept. */
export function notePushed(
  store: StorePaths,
  name: string,
  { mediaType, digest, size }: Descriptor,
  repository: string,
): void {
  const known = readPushed(store, name);
  const last = known.find((blob) => blob.mediaType === mediaType);
  const same = last?.digest === digest ? last.repositories : [];
  if (same[0] === repository) return;
  const others = same.filter((each) => each !== repository);
  const repositories = [repository, ...others].slice(0, repositoriesMax);
  const rest = known.filter((blob) => blob.mediaType !== mediaType);
  const blobs = [{ mediaType, digest, size, repositories }, ...rest].slice(0, blobsMax);
  try {
    writeDurably(store, fileOf(store, name), `${JSON.stringify(blobs)}\n`);
  } catch (error) {
    // No room, or a layer in a place that is only read: the next push compresses once more.
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

function fileOf(store: StorePaths, name: string): string {
  return within(layerPath(store, name), "pushed");
}

function isPushedBlob(value: unknown): value is PushedBlob {
  if (typeof value !== "object" || value === null) return false;
  const { mediaType, digest, size, repositories } = value as Partial<PushedBlob>;
  return (
    typeof mediaType === "string" &&
    typeof digest === "string" &&
    isDigest(digest) &&
    Number.isSafeInteger(size) &&
    Array.isArray(repositories) &&
    repositories.every((each) => typeof each === "string")
  );
}
