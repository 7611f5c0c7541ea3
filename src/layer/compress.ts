/** A tar stream compressed, always to the same bytes from the same tar. */

import { createGzip, createZstdCompress } from "node:zlib";
import { type Digest, parseDigest } from "../image/digest.ts";
import type { Compression } from "../image/media-type.ts";

const CHUNK_BYTES = 1 << 20;
/** Bun's gzip makes other bytes of other pieces, however large: so all are of this size. */
const PIECE_BYTES = 128 << 10;

/** `tar` in chunks, compressed as asked. */
export async function* compress(
  tar: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (compression === "none") return yield* tar;
  const options = { chunkSize: CHUNK_BYTES };
  // zstd at its usual level: a third slower than the fastest one here, for a seventh less.
  const engine = compression === "gzip" ? createGzip(options) : createZstdCompress(options);
  const feed = async (): Promise<void> => {
    for await (const piece of inPieces(tar)) {
      // Awaited, so that a piece is used up before its memory is used again.
      await new Promise<void>((resolve, reject) => {
        engine.write(piece, (error) => (error ? reject(error) : resolve()));
      });
    }
    engine.end();
  };
  const feeding = feed().catch((error: unknown) => {
    engine.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  feeding.catch(() => undefined); // awaited below; until then it arrives by way of the engine
  yield* engine as AsyncIterable<Uint8Array>;
  await feeding;
}

/** The same into `write`, a chunk at a time; what it came to. */
export async function compressInto(
  write: (chunk: Uint8Array) => Promise<void>,
  tar: AsyncIterable<Uint8Array>,
  compression: Compression,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const hash = new Bun.CryptoHasher("sha256");
  let size = 0;
  for await (const chunk of compress(tar, compression)) {
    hash.update(chunk);
    size += chunk.length;
    await write(chunk);
  }
  return { digest: parseDigest(`sha256:${hash.digest("hex")}`), size };
}

/** The bytes of `tar` in pieces of one size, but for the last; each is good until the next. */
async function* inPieces(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(PIECE_BYTES);
  let filled = 0;
  for await (const chunk of tar) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + PIECE_BYTES - filled);
      piece.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < PIECE_BYTES) continue;
      yield piece;
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
