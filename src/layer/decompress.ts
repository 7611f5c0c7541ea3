/**
 * A layer blob's bytes as an uncompressed tar stream.
 *
 * What the bytes are is read from the bytes: registries and builders label gzip as plain tar and
 * the reverse. gzip may have any number of members (RFC 1952 2.2; eStargz and pigz write many),
 * zstd any number of frames, skippable ones among them (RFC 8878 3.1). Work happens in Bun's
 * thread pool; chunks are large because each costs a turn of the event loop.
 */

import type { Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { HbError } from "../errors.ts";
import type { Compression } from "../image/media-type.ts";

const CHUNK_BYTES = 1 << 20;
/** One chunk ahead of who takes them: the next one comes while the last is hashed and written. */
const sizes = { chunkSize: CHUNK_BYTES, highWaterMark: CHUNK_BYTES };
/** The longest magic number below. */
const MAGIC_BYTES_MAX = 6;

/**
 * The tar stream in `source`. Errors of `source` come out where they happen; ours are HbErrors.
 * A chunk's memory is good until the next but one is asked for.
 */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const [head, rest] = await splitHead(source);
  const compression = sniffCompression(head);
  const all = concatenate(head, rest);
  if (compression === "none") yield* all;
  else if (compression === "gzip") yield* through(all, createGunzip(sizes));
  else yield* through(all, createZstdDecompress(sizes));
}

/** How bytes that begin with `head` are compressed. */
export function sniffCompression(head: Uint8Array): Compression {
  const begins = (...magic: number[]) => magic.every((byte, i) => head[i] === byte);
  if (begins(0x1f, 0x8b)) return "gzip";
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  // A skippable frame: 184D2A50 to 184D2A5F, little-endian.
  if (
    ((head[0] ?? 0) & 0xf0) === 0x50 &&
    head[1] === 0x2a &&
    head[2] === 0x4d &&
    head[3] === 0x18
  ) {
    return "zstd";
  }
  if (begins(0x42, 0x5a, 0x68)) throw unknownCompression("bzip2");
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) throw unknownCompression("xz");
  return "none";
}

/** The bytes are not what some compressor has written; elsewhere there may be better ones. */
export class CorruptLayerError extends HbError {}

function unknownCompression(name: string): HbError {
  return new HbError(`Cannot decompress ${name}`, {
    hint: "rebuild the image with gzip or zstd layers, the only ones its specification knows",
  });
}

type Source = AsyncIterator<Uint8Array>;

/** The first bytes of `source`, as many as sniffing takes, and what follows them. */
async function splitHead(source: AsyncIterable<Uint8Array>): Promise<[Uint8Array, Source]> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < MAGIC_BYTES_MAX) {
    const next = await iterator.next();
    if (next.done) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  return [head, iterator];
}

async function* concatenate(head: Uint8Array, rest: Source): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** Pumps `source` through `engine`, no faster than its output is taken. */
async function* through(
  source: AsyncIterable<Uint8Array>,
  engine: Transform,
): AsyncGenerator<Uint8Array> {
  const consumer = { isGone: false };
  const feeding = feed(source, engine, consumer);
  // Awaited below; until then its failure arrives by way of the engine.
  feeding.catch(() => undefined);
  try {
    let previous: Uint8Array | undefined;
    for await (const chunk of engine as AsyncIterable<Uint8Array>) {
      yield chunk;
      if (previous !== undefined) releaseMemory(previous);
      previous = chunk;
    }
    await feeding;
  } catch (error) {
    // Damaged data may only follow from bytes that are not the blob's: its source knows at its end.
    if (isEngineError(error)) await feeding;
    throw asDecompressionError(error);
  } finally {
    consumer.isGone = true;
    engine.destroy();
  }
}

/**
 * Frees a used chunk now: the collector comes late for large buffers, and would let a pull grow by
 * half. zlib cuts chunks from a buffer one after another; only the last one's end is its end.
 */
function releaseMemory({ buffer, byteOffset, byteLength }: Uint8Array): void {
  if (buffer instanceof SharedArrayBuffer) return;
  if (buffer.byteLength === CHUNK_BYTES && byteOffset + byteLength === CHUNK_BYTES) {
    buffer.transfer(0);
  }
}

/**
 * Writes all of `source` into `engine`. What follows the compressed data, or its damage, is read
 * and dropped: the source checks itself at its end.
 */
async function feed(
  source: AsyncIterable<Uint8Array>,
  engine: Transform,
  consumer: { readonly isGone: boolean },
): Promise<void> {
  try {
    for await (const chunk of source) {
      if (consumer.isGone) return;
      if (engine.destroyed || engine.readableEnded) continue;
      if (!engine.write(chunk)) await writable(engine);
    }
    if (!engine.destroyed) engine.end();
  } catch (error) {
    engine.destroy(error as Error);
    throw error;
  }
}

/** Settles when `engine` takes more, or never will. */
function writable(engine: Transform): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ["drain", "close", "end"]) engine.off(event, done);
      resolve();
    };
    for (const event of ["drain", "close", "end"]) engine.on(event, done);
    if (engine.destroyed) done();
  });
}

function isEngineError(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return /^(Z|ZSTD)_/.test(code ?? "") || message === "unexpected end of file";
}

/** zlib's own errors in words; anything else came from the source and stays as it is. */
function asDecompressionError(error: unknown): unknown {
  if (!isEngineError(error)) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "Z_BUF_ERROR" || message === "unexpected end of file") {
    return new CorruptLayerError("Cannot decompress: the compressed data is cut short");
  }
  return new CorruptLayerError("Cannot decompress: the compressed data is corrupt", {
    cause: error,
  });
}
