/** inotify(7), by way of Bun. */

import { type FSWatcher, watch } from "node:fs";

/** Bun drops an event that follows another of its kind within a millisecond. */
const DROPPED_WITHIN_MS = 10;

/** Tells of changes in one directory, until it is disposed of. */
export class DirectoryWatch implements Disposable {
  readonly #watcher: FSWatcher;
  #again: Timer | undefined;

  /**
   * `note` is called after every change, now and then once too often, with the name that changed
   * where it is known. Throws when there is no such directory; that it goes later is a change.
   */
  constructor(directory: string, note: (name?: string) => void) {
    this.#watcher = watch(directory, (_change, name) => {
      note(name ?? undefined);
      this.#again ??= setTimeout(() => {
        this.#again = undefined;
        note();
      }, DROPPED_WITHIN_MS);
    });
    this.#watcher.on("error", () => note());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#again);
    this.#watcher.close();
  }
}
