/**
 * Records of a container's log: `2026-11-22T01:02:03.123456789Z stdout F text`, P for a piece of a
 * line with more to come (helper-zig/src/log.zig). Looked at in place, for there may be millions.
 */

/** The payload's two streams. */
export type Stream = "stdout" | "stderr";

/** Every timestamp is this long. */
export const STAMP_BYTES = 30;

/** Where a record's text begins. */
const TEXT_AT = 40;

const SPACE = 0x20;
const LINE_END = 0x0a;
const [LETTER_E, LETTER_F, LETTER_O, LETTER_P, LETTER_Z] = [0x65, 0x46, 0x6f, 0x50, 0x5a];

/** What `[begin, end)` of `block` is; undefined for a line a killed supervisor left unfinished. */
export function recordKind(
  block: Buffer,
  begin: number,
  end: number,
): { readonly stream: Stream; readonly isWhole: boolean } | undefined {
  const kinds = block[begin + 34] === LETTER_O ? kindsOf.stdout : kindsOf.stderr;
  const isRecord =
    end - begin >= TEXT_AT &&
    block[begin + STAMP_BYTES - 1] === LETTER_Z &&
    block[begin + STAMP_BYTES] === SPACE &&
    (block[begin + 34] === LETTER_O || block[begin + 34] === LETTER_E) &&
    block[begin + 37] === SPACE &&
    (block[begin + 38] === LETTER_F || block[begin + 38] === LETTER_P) &&
    block[begin + 39] === SPACE;
  if (!isRecord) return undefined;
  return block[begin + 38] === LETTER_F ? kinds.whole : kinds.piece;
}

// Made once: there is one for every record of a log.
const kindsOf = {
  stdout: {
    whole: { stream: "stdout", isWhole: true },
    piece: { stream: "stdout", isWhole: false },
  },
  stderr: {
    whole: { stream: "stderr", isWhole: true },
    piece: { stream: "stderr", isWhole: false },
  },
} as const;

/** Which records are wanted, and how they look. */
export interface LogView {
  /** Timestamps of a record's form; those earlier are left out. */
  readonly since?: string;
  /** The reading ends with the first later one. */
  readonly until?: string;
  /** Each line begins with its timestamp. */
  readonly timestamps: boolean;
}

/** Records -> what the payload wrote, stream by stream in its order. */
export class LogPrinter {
  readonly #view: LogView;
  readonly #since: Buffer | undefined;
  readonly #until: Buffer | undefined;
  readonly #write: (stream: Stream, bytes: Uint8Array) => void;
  readonly #isWithinLine = { stdout: false, stderr: false };
  #batch = Buffer.alloc(0);
  #length = 0;
  #stream: Stream = "stdout";
  #isOver = false;

  constructor(view: LogView, write: (stream: Stream, bytes: Uint8Array) => void) {
    this.#view = view;
    this.#since = view.since === undefined ? undefined : Buffer.from(view.since);
    this.#until = view.until === undefined ? undefined : Buffer.from(view.until);
    this.#write = write;
  }

  /** A record later than `until` was there. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Prints the whole records at the beginning of `block`; how many bytes those were. */
  take(block: Buffer): number {
    // Text is never longer than its record.
    if (this.#batch.length < block.length) this.#batch = Buffer.allocUnsafe(block.length);
    let begin = 0;
    while (!this.#isOver) {
      const end = block.indexOf(LINE_END, begin);
      if (end < 0) break;
      this.#print(block, begin, end);
      begin = end + 1;
    }
    this.#flush();
    return begin;
  }

  #print(block: Buffer, begin: number, end: number): void {
    const kind = recordKind(block, begin, end);
    if (kind === undefined) return;
    const { stream, isWhole } = kind;
    const isLater = (than: Buffer) =>
      block.compare(than, 0, STAMP_BYTES, begin, begin + STAMP_BYTES);
    if (this.#since !== undefined && isLater(this.#since) < 0) return;
    if (this.#until !== undefined && isLater(this.#until) > 0) {
      this.#isOver = true;
      return;
    }
    if (stream !== this.#stream) this.#flush();
    this.#stream = stream;
    if (this.#view.timestamps && !this.#isWithinLine[stream]) {
      this.#length += block.copy(this.#batch, this.#length, begin, begin + STAMP_BYTES + 1);
    }
    this.#isWithinLine[stream] = !isWhole;
    const textEnd = isWhole ? end + 1 : end;
    this.#length += block.copy(this.#batch, this.#length, begin + TEXT_AT, textEnd);
  }

  #flush(): void {
    if (this.#length > 0) this.#write(this.#stream, this.#batch.subarray(0, this.#length));
    this.#length = 0;
  }
}
