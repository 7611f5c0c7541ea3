/** What a container has written, as the tar of a layer (helper-zig/src/commit.zig). */

import { closeSync, fstatSync } from "node:fs";
import { formatError, HbError } from "../errors.ts";
import { spawnHelper } from "../helper/binary.ts";
import { printNotice } from "../output.ts";
import type { StorePaths } from "../store/layout.ts";
import { openScratch } from "../store/scratch.ts";
import { finishAll, placeFlags } from "./files.ts";
import { freeze, thaw } from "./freezer.ts";
import type { Known } from "./select.ts";
import { readState, requireRunning } from "./state.ts";

/** The tar, without a name; empty where nothing was written. To be closed by `using`. */
export interface WrittenLayer extends Disposable {
  readonly fd: number;
  readonly size: number;
}

export interface WrittenJob {
  readonly store: StorePaths;
  readonly known: Known;
  /** No process of the container runs meanwhile. */
  readonly pause: boolean;
  readonly signal: AbortSignal;
  /** For messages. */
  readonly doing: string;
}

/** Writes the layer of what the container has changed of its image. */
export async function writtenLayer(job: WrittenJob): Promise<WrittenLayer> {
  const { store, known, doing, signal } = job;
  const fd = openScratch(store);
  try {
    const goOn = job.pause ? await pause(known) : () => undefined;
    try {
      signal.throwIfAborted();
      const helper = spawnHelper(["commit", ...placeFlags(known)], { stdout: fd });
      await finishAll([helper], doing);
    } finally {
      goOn();
    }
    return { fd, size: fstatSync(fd).size, [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Pauses a container that runs, and says how it goes on. One that cannot be is worth a line. */
async function pause(known: Known): Promise<() => void> {
  // One that is paused already is its owner's to let go on.
  if (readState(known).status !== "running") return () => undefined;
  try {
    const container = requireRunning(known, "commit");
    await freeze(container);
    return () => thaw(container);
  } catch (error) {
    if (!(error instanceof HbError)) throw error;
    printNotice(`its processes go on meanwhile: ${formatError(error)}`);
    return () => undefined;
  }
}
