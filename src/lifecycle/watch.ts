/** Waiting for changes of a directory: supervisors tell what happens by renaming files in it. */

import { DirectoryWatch } from "../host/watch.ts";

/** Changes since it was made. */
export class Changes implements Disposable {
  readonly #watch: DirectoryWatch | undefined;
  #isNew = false;
  readonly #waiting = new Set<() => void>();

  constructor(directory: string) {
    const note = (name?: string) => {
      if (name?.startsWith("log")) return; // what the payload writes is no news
      this.#isNew = true;
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
    };
    try {
      this.#watch = new DirectoryWatch(directory, note);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
      this.#isNew = true; // it is gone, which whoever waits will find
    }
  }

  /** Waits for a change, or finds one that nobody has waited for. */
  async next(): Promise<void> {
    if (!this.#isNew) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
    this.#isNew = false;
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
  }
}
