/**
 * An image that has just been made, as a registry that has only it: so it goes into the store by
 * the way of every other image, and is checked like one.
 */

import { readSync } from "node:fs";
import { HbError } from "../errors.ts";
import type { Descriptor } from "../image/descriptor.ts";
import { type Digest, digestOf, parseDigest } from "../image/digest.ts";
import type { FetchedDocument, Registry } from "../registry/client.ts";

const chunkBytes = 1 << 20;

/** A tar, in a file that its owner keeps open. */
export interface TarFile {
  readonly fd: number;
  readonly size: number;
}

/** The image, and its manifest's digest. */
export interface MadeImage {
  readonly manifest: Digest;
  readonly registry: Registry;
}

/** The image of these documents; `layer` is the only blob that can be had of it. */
export function madeImage(
  { bytes, mediaType }: Pick<FetchedDocument, "bytes" | "mediaType">,
  config: Uint8Array,
  layer?: TarFile & { readonly digest: Digest },
): MadeImage {
  const manifest: FetchedDocument = { bytes, mediaType, digest: digestOf(bytes) };
  const registry: Registry = {
    resolve: async () => manifest,
    fetchDocument: async (_, { mediaType, digest }: Descriptor) => ({
      bytes: config,
      mediaType,
      digest,
    }),
    // The diffID is the layer's own digest: whoever unpacks it checks it.
    fetchBlob: async function* fetchBlob(_, { digest }) {
      if (layer === undefined || digest !== layer.digest) {
        throw new HbError("it is missing", { hint: "repair it with 'hb check --repair'" });
      }
      yield* chunksOf(layer);
    },
  };
  return { manifest: manifest.digest, registry };
}

/** The digest of the tar, which is its layer's diffID. */
export function tarDigest(archive: TarFile): Digest {
  const hash = new Bun.CryptoHasher("sha256");
  for (const chunk of chunksOf(archive)) hash.update(chunk);
  return parseDigest(`sha256:${hash.digest("hex")}`);
}

function* chunksOf({ fd, size }: TarFile) {
  for (let at = 0; at < size; ) {
    const chunk = new Uint8Array(Math.min(chunkBytes, size - at));
    const count = readSync(fd, chunk, 0, chunk.length, at);
    if (count === 0) return; // cut off meanwhile: the digest will tell
    at += count;
    yield chunk.subarray(0, count);
  }
}
