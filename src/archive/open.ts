/** An archive from a file or a stream, compressed or not, made seekable. */

import { closeSync, createReadStream, fstatSync, openSync, readSync } from "node:fs";
import { HbError } from "../errors.ts";
import { decompress, sniffCompression } from "../layer/decompress.ts";
import { writeChunk } from "../output/sink.ts";
import type { StorePaths } from "../store/layout.ts";
import { openScratch } from "../store/scratch.ts";

const STDIN = 0;

/** A descriptor to read anywhere in, to be closed by `using`. */
export interface OpenArchive extends Disposable {
  readonly fd: number;
  readonly size: number;
}

/** Opens `input`, or standard input; what cannot be read in place goes to a scratch file. */
export async function openArchive(
  store: StorePaths,
  input: string | undefined,
  signal: AbortSignal,
): Promise<OpenArchive> {
  const fd = input === undefined ? STDIN : open(input);
  if (isPlain(fd)) return closing(fd, fstatSync(fd).size);
  const stream = createReadStream("", { fd, highWaterMark: 1 << 20, autoClose: fd !== STDIN });
  return await spool(store, decompress(stream as AsyncIterable<Uint8Array>), signal);
}

/** All of `stream` in a scratch file. */
export async function spool(
  store: StorePaths,
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<OpenArchive> {
  const fd = openScratch(store);
  try {
    let size = 0;
    for await (const chunk of stream) {
      signal.throwIfAborted();
      await writeChunk(fd, chunk);
      size += chunk.length;
    }
    return closing(fd, size);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function closing(fd: number, size: number): OpenArchive {
  return { fd, size, [Symbol.dispose]: () => fd !== STDIN && closeSync(fd) };
}

function open(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw new HbError(`Cannot open "${path}"`, { cause: error });
  }
}

/** A file from its beginning that is not compressed: read where it is. */
function isPlain(fd: number): boolean {
  if (!fstatSync(fd).isFile()) return false;
  if (fd === STDIN) return false; // where it stands is not known
  const head = new Uint8Array(6);
  const length = readSync(fd, head, 0, head.length, 0);
  return sniffCompression(head.subarray(0, length)) === "none";
}
