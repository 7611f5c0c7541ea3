/** What commands do to containers: lines in the store's file of events. Helpers write theirs. */

import { closeSync, openSync, writeSync } from "node:fs";
import { type StorePaths, within } from "../store/layout.ts";
import type { Known } from "./select.ts";

/** What has happened. */
export interface ContainerEvent {
  readonly action: "commit" | "create" | "destroy" | "rename" | "pause" | "unpause" | "update";
  readonly known: Known;
  /** What the user called its image. */
  readonly image: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Writes the event down. It is news: a full disk or a read-only one fails nothing. */
export function recordEvent(store: StorePaths, event: ContainerEvent): void {
  const { action, image, attributes = {} } = event;
  const { id, name } = event.known;
  const named = name === undefined ? {} : { name };
  const time = nowInNanoseconds();
  const line = { time, type: "container", action, id, ...named, image, attributes };
  try {
    const fd = openSync(within(store.root, "events"), "a", 0o600);
    // One write: lines of several writers do not mix (open(2), O_APPEND).
    writeSync(fd, `${JSON.stringify(line)}\n`);
    closeSync(fd);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

/** RFC 3339 with as many digits as the helper writes, so that lines sort by their texts. */
function nowInNanoseconds(): string {
  return `${new Date().toISOString().slice(0, -1)}000000Z`;
}
