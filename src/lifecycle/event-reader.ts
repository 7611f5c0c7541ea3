/**
 * The store's file of events, read and followed.
 *
 * Supervisors and commands append lines of JSON to `<store>/events`; when it has grown it becomes
 * `events.1`. A follower waits for inotify to say that the directory has changed.
 */

import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { DirectoryWatch } from "../host/watch.ts";
import { type StorePaths, within } from "../store/layout.ts";

/** One thing that happened. */
export interface Event {
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
  readonly type: string;
  readonly action: string;
  readonly id: string;
  readonly name?: string;
  readonly image?: string;
  readonly attributes: Readonly<Record<string, string>>;
}

const BLOCK_BYTES = 64 << 10;

/** Reads one file of events on and on, from where it was left. */
class Reader {
  readonly #fd: number;
  #offset = 0;
  #rest = "";

  constructor(path: string, fromEnd: boolean) {
    this.#fd = openSync(path, "r");
    if (fromEnd) this.#offset = fstatSync(this.#fd).size;
  }

  /** The events that have come since the last call. */
  *next(): Generator<Event> {
    const block = Buffer.alloc(BLOCK_BYTES);
    const decoder = new TextDecoder();
    for (;;) {
      const length = readSync(this.#fd, block, 0, block.length, this.#offset);
      if (length === 0) return;
      this.#offset += length;
      this.#rest += decoder.decode(block.subarray(0, length), { stream: true });
      const lines = this.#rest.split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) {
        const event = parseEvent(line);
        if (event !== undefined) yield event;
      }
    }
  }

  /** Whether the name `path` has come to mean another file. */
  isReplaced(path: string): boolean {
    const named = statSync(path, { throwIfNoEntry: false });
    return named !== undefined && named.ino !== fstatSync(this.#fd).ino;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** What was written down so far, the oldest first. */
export function* pastEvents(store: StorePaths): Generator<Event> {
  for (const name of ["events.1", "events"]) {
    const path = within(store.root, name);
    if (!existsSync(path)) continue;
    const reader = new Reader(path, false);
    try {
      yield* reader.next();
    } finally {
      reader.close();
    }
  }
}

/** Calls `take` for every event from now on (or, with `past`, for all), until `signal` aborts. */
export async function followEvents(
  store: StorePaths,
  { past, signal }: { readonly past: boolean; readonly signal: AbortSignal },
  take: (event: Event) => void,
): Promise<void> {
  const path = within(store.root, "events");
  let reader = existsSync(path) ? new Reader(path, !past) : undefined;
  const look = () => {
    for (const event of reader?.next() ?? []) take(event);
    if (!existsSync(path) || reader?.isReplaced(path) === false) return;
    reader?.close();
    reader = new Reader(path, false);
    for (const event of reader.next()) take(event);
  };
  using _watch = new DirectoryWatch(store.root, (name) => {
    if (name === undefined || name === "events") look();
  });
  try {
    look(); // what came before the watcher was there
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  } finally {
    reader?.close();
  }
}

/** A line that was cut off by a full disk is passed over. */
function parseEvent(line: string): Event | undefined {
  try {
    const event = JSON.parse(line) as Partial<Event>;
    const { time, type, action, id } = event;
    if (typeof time !== "string" || typeof action !== "string") return undefined;
    return { attributes: {}, ...event, time, action, type: type ?? "container", id: id ?? "" };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
