/**
 * The files of a container's log while its supervisor rotates them: `log`, before that `log.1` and
 * so on. Opened, a file stays what it is whatever its name becomes.
 */

import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { type StorePath, within } from "../store/layout.ts";
import { recordKind, type Stream } from "./log-record.ts";

const BLOCK_BYTES = 256 << 10;
const LINE_END = 0x0a;

/** A rotation in the middle of opening is met again only by a log of a few bytes. */
const TRIES_MAX = 20;

/** One opened file. */
interface LogFile {
  readonly fd: number;
  readonly inode: number;
}

/** A place in the log. */
interface Place {
  readonly index: number;
  readonly offset: number;
}

/** Reads a log from some place to its end, and on as it grows. */
export class LogCursor implements Disposable {
  readonly #directory: StorePath;
  /** The oldest first; those before the current one are closed. */
  #files: readonly LogFile[];
  #at: Place;
  readonly #block = Buffer.allocUnsafe(BLOCK_BYTES);

  /** At the last `lines` lines, or the beginning. */
  constructor(directory: StorePath, lines: number | undefined) {
    this.#directory = directory;
    this.#files = openAll(directory);
    this.#at = lines === undefined ? { index: 0, offset: 0 } : tailPlace(this.#files, lines);
    for (const { fd } of this.#files.slice(0, this.#at.index)) closeSync(fd);
  }

  /** Gives `take` all that has come, block by block; it says how much of one it could use. */
  read(take: (block: Buffer) => number): void {
    do {
      // Rotated or not is asked before reading to the end: behind that nothing can come then.
      const isLast = this.#files[this.#at.index + 1] === undefined && !this.#isRotated();
      this.#readFile(take);
      if (isLast) return;
    } while (this.#advance());
  }

  #readFile(take: (block: Buffer) => number): void {
    const file = this.#files[this.#at.index];
    if (file === undefined) return;
    for (;;) {
      const length = readSync(file.fd, this.#block, 0, BLOCK_BYTES, this.#at.offset);
      const used = take(this.#block.subarray(0, length));
      // A whole block without a line's end is no log; nor does it become one.
      const passed = used === 0 && length === BLOCK_BYTES ? length : used;
      this.#at = { ...this.#at, offset: this.#at.offset + passed };
      if (passed === 0) return;
    }
  }

  #isRotated(): boolean {
    const named = statSync(within(this.#directory, "log"), { throwIfNoEntry: false });
    return named !== undefined && named.ino !== this.#files[this.#at.index]?.inode;
  }

  /** Goes on to the next newer file. */
  #advance(): boolean {
    const current = this.#files[this.#at.index];
    if (this.#files[this.#at.index + 1] !== undefined) {
      this.#at = { index: this.#at.index + 1, offset: 0 };
    } else {
      const files = openAll(this.#directory);
      const index = files.findIndex(({ inode }) => inode === current?.inode);
      for (const { fd } of files.slice(0, index + 1)) closeSync(fd);
      this.#files = files.slice(index + 1);
      this.#at = { index: 0, offset: 0 };
    }
    if (current !== undefined) closeSync(current.fd);
    return this.#files.length > 0;
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#files.slice(this.#at.index)) closeSync(fd);
    this.#files = [];
  }
}

/** All files, the oldest first. */
function openAll(directory: StorePath): readonly LogFile[] {
  const newest = () => statSync(within(directory, "log"), { throwIfNoEntry: false })?.ino;
  for (let tries = 1; ; tries++) {
    const before = newest();
    const files = logNames(directory).flatMap((name) => openFile(within(directory, name)) ?? []);
    // A rotation meanwhile has moved every name by one: a file is there twice, or missing.
    const isWhole = before === newest() && before === files.at(-1)?.inode;
    if (isWhole || tries === TRIES_MAX) return files;
    for (const { fd } of files) closeSync(fd);
  }
}

function logNames(directory: StorePath): string[] {
  const age = (name: string) => Number(name.slice("log.".length));
  return readdirSync(directory)
    .filter((name) => /^log(\.\d+)?$/.test(name))
    .sort((a, b) => age(b) - age(a));
}

function openFile(path: StorePath): LogFile | undefined {
  try {
    const fd = openSync(path, "r");
    return { fd, inode: fstatSync(fd).ino };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Where the last `lines` lines begin: read from the end, and no further than that. */
function tailPlace(files: readonly LogFile[], lines: number): Place {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  const streams = new Set<Stream>();
  let left = lines;
  for (let index = files.length - 1; index >= 0; index--) {
    const { fd } = files[index] as LogFile;
    let end = fstatSync(fd).size;
    while (end > 0) {
      const begin = Math.max(0, end - BLOCK_BYTES);
      const length = readSync(fd, block, 0, end - begin, begin);
      let stop = block.lastIndexOf(LINE_END, length - 1) + 1;
      for (;;) {
        const start = stop < 2 ? 0 : block.lastIndexOf(LINE_END, stop - 2) + 1;
        // Its beginning is in the block before.
        if (stop === 0 || (start === 0 && begin > 0)) break;
        const kind = recordKind(block, start, stop - 1);
        // A piece ends a line where nothing of its stream follows.
        const endsLine = kind !== undefined && (kind.isWhole || !streams.has(kind.stream));
        if (endsLine && left-- === 0) return { index, offset: begin + stop };
        if (kind !== undefined) streams.add(kind.stream);
        stop = start;
      }
      end = stop > 0 && stop < length ? begin + stop : begin;
    }
  }
  return { index: 0, offset: 0 };
}
