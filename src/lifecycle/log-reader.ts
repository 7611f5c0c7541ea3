/** A container's log, read once or followed: its directory's changes say when there is more. */

import { DirectoryWatch } from "../host/watch.ts";
import { ask } from "./control.ts";
import { LogCursor } from "./log-files.ts";
import { LogPrinter, type LogView, type Stream } from "./log-record.ts";
import type { Known } from "./select.ts";
import { isOngoing, readState } from "./state.ts";

/** What is to be read. */
export interface LogQuery extends LogView {
  /** Only the last lines; absent: all. */
  readonly tail?: number;
  /** Goes on until the container has ended for good, or until `until`. */
  readonly follow: boolean;
}

/** Gives `write` what the container has written. */
export async function readLog(
  known: Known,
  query: LogQuery,
  write: (stream: Stream, bytes: Uint8Array) => void,
): Promise<void> {
  const printer = new LogPrinter(query, write);
  const take = (block: Buffer) => printer.take(block);
  // Before the first look, so that nothing comes between the two.
  using news =
    query.follow && isOngoing(readState(known)) ? new LogNews(known, query.until) : undefined;
  using cursor = new LogCursor(known.directory, query.tail);
  for (;;) {
    const isLast = news === undefined || news.isOver;
    cursor.read(take);
    if (isLast || printer.isOver) return;
    await news.next();
  }
}

/** What a follower waits for: changes in the directory, and the end. */
class LogNews implements Disposable {
  /** What there is now is all there will be. */
  isOver = false;
  readonly #known: Known;
  readonly #watch: DirectoryWatch;
  readonly #timer: Timer | undefined;
  readonly #leaving = new AbortController();
  #isNew = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;

  constructor(known: Known, until: string | undefined) {
    this.#known = known;
    // When the directory goes, the container has gone with it: its supervisor tells.
    this.#watch = new DirectoryWatch(known.directory, () => this.#note());
    const end = () => {
      this.isOver = true;
      this.#note();
    };
    const leftMs = until === undefined ? undefined : Date.parse(until) - Date.now();
    // A timer's number has 32 bits; who follows for a month reads on.
    if (leftMs !== undefined && leftMs < 2 ** 31) this.#timer = setTimeout(end, leftMs);
    this.#heard().then(end, (error: unknown) => {
      this.#failure = { error };
      end();
    });
  }

  /** Waits until something has changed since the last time. */
  async next(): Promise<void> {
    if (!this.#isNew) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#isNew = false;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #note(): void {
    this.#isNew = true;
    this.#wake();
  }

  /** Until the supervisor tells of the last end, or can tell no more. */
  async #heard(): Promise<void> {
    while (!this.#leaving.signal.aborted && isOngoing(readState(this.#known))) {
      const { kind } = await ask(this.#known, ["wait"], this.#leaving.signal);
      // Killed: the kernel is about to let go of its lock, of which nothing tells.
      if (kind === "gone") await Bun.sleep(LOOK_AGAIN_MS);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#watch[Symbol.dispose]();
    this.#leaving.abort();
  }
}

const LOOK_AGAIN_MS = 50;
