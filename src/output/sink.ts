/** Where an archive goes: standard output, or a file that is there whole or as it was before. */

import { closeSync, openSync, renameSync, rmSync, statSync, write } from "node:fs";
import { HbError } from "../errors.ts";
import { waitWritable } from "../host/libc.ts";

const STDOUT = 1;

export interface SinkOptions {
  /** A file; standard output where absent. */
  readonly output: string | undefined;
  /** The beginning of an error message. */
  readonly doing: string;
  /** What to write instead of to a terminal. */
  readonly hint: string;
}

/** Refuses to write an archive to a terminal: for before anything else is done. */
export function refuseTerminal({ output, hint }: Pick<SinkOptions, "output" | "hint">): void {
  if (output !== undefined || !process.stdout.isTTY) return;
  throw new HbError("Cannot write an archive to a terminal", { hint });
}

/** Has `fill` write to the descriptor of where it goes; a device or pipe is written as it comes. */
export async function withSink<T>(
  { output, doing }: SinkOptions,
  fill: (fd: number) => Promise<T>,
): Promise<T> {
  if (output === undefined) return await fill(STDOUT);
  const isPlain = placeOf(output, doing) === "plain";
  const path = isPlain ? `${output}.${process.pid}.tmp` : output;
  const fd = open(path, isPlain ? "wx" : "w", doing);
  try {
    const outcome = await fill(fd);
    if (isPlain) renameSync(path, output);
    return outcome;
  } catch (error) {
    if (isPlain) rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Writes all of `bytes`, without stopping the event loop. */
export async function writeChunk(fd: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += await writeSome(fd, bytes.subarray(done));
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, (error, written) => {
      if (error === null) return resolve(written);
      if (error.code !== "EAGAIN") return reject(error);
      // Somebody else made this descriptor non-blocking (it is shared with them).
      waitWritable(fd);
      resolve(0);
    });
  });
}

function placeOf(output: string, doing: string): "plain" | "special" {
  const stat = statSync(output, { throwIfNoEntry: false });
  if (stat?.isDirectory()) {
    throw new HbError(doing, { cause: new HbError(`"${output}" is a directory`) });
  }
  return stat === undefined || stat.isFile() ? "plain" : "special";
}

function open(path: string, flags: string, doing: string): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw new HbError(doing, { cause: error });
  }
}
