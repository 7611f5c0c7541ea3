/**
 * A tar of files as an image of one layer: what `docker export` and debootstrap make. The tar is
 * the layer as it is.
 */

import { readSync } from "node:fs";
import type { Descriptor } from "../image/descriptor.ts";
import { type Digest, digestOf, parseDigest } from "../image/digest.ts";
import type { JsonObject } from "../image/json.ts";
import { ociConfig, ociManifest } from "../image/media-type.ts";
import type { Platform } from "../image/platform.ts";
import type { FetchedDocument, Registry } from "../registry/client.ts";
import { formatManifest, layerType } from "./layout.ts";

const chunkBytes = 1 << 20;

/** What is said of the new image. */
export interface ImportFacts {
  readonly platform: Platform;
  readonly config: JsonObject;
  readonly comment: string;
  readonly created: Date;
}

/** The image, as a registry that has only it; and its manifest's digest. */
export interface ImportedImage {
  readonly manifest: Digest;
  readonly registry: Registry;
}

/** Makes the image of the tar in `archive`, which the caller keeps open. */
export function importImage(
  archive: { readonly fd: number; readonly size: number },
  facts: ImportFacts,
): ImportedImage {
  const hash = new Bun.CryptoHasher("sha256");
  for (const chunk of chunksOf(archive)) hash.update(chunk);
  const diffID = parseDigest(`sha256:${hash.digest("hex")}`);
  const created = facts.created.toISOString();
  const { os, architecture, variant } = facts.platform;
  const config = Buffer.from(
    JSON.stringify({
      created,
      architecture,
      ...(variant === undefined ? {} : { variant }),
      os,
      config: facts.config,
      rootfs: { type: "layers", diff_ids: [diffID] },
      history: [{ created, comment: facts.comment }],
    }),
  );
  const about = { mediaType: ociConfig, digest: digestOf(config), size: config.length };
  const layer = { mediaType: layerType("none"), digest: diffID, size: archive.size };
  const bytes = formatManifest(about, [layer]);
  const manifest: FetchedDocument = { bytes, mediaType: ociManifest, digest: digestOf(bytes) };
  const registry: Registry = {
    resolve: async () => manifest,
    fetchDocument: async (_, { mediaType, digest }: Descriptor) => ({
      bytes: config,
      mediaType,
      digest,
    }),
    // The diffID is the layer's own digest: whoever unpacks it checks it.
    fetchBlob: async function* fetchBlob() {
      yield* chunksOf(archive);
    },
  };
  return { manifest: manifest.digest, registry };
}

function* chunksOf({ fd, size }: { readonly fd: number; readonly size: number }) {
  for (let at = 0; at < size; ) {
    const chunk = new Uint8Array(Math.min(chunkBytes, size - at));
    const count = readSync(fd, chunk, 0, chunk.length, at);
    if (count === 0) return; // cut off meanwhile: the digest will tell
    at += count;
    yield chunk.subarray(0, count);
  }
}
