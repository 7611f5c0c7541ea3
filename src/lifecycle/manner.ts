/** How `hb run` runs: which flags exclude each other, what is kept, whose streams are followed. */

import { closeSync, openSync, writeFileSync } from "node:fs";
import { parseRestart } from "../container/life.ts";
import { HbError, UsageError } from "../errors.ts";
import { replaceDescriptor } from "../host/libc.ts";
import type { CreateFlags, RunOptions } from "../options/containers.ts";

/**
 * Whether the container outlives its run: what is detached, only made, or started again does,
 * unless `--rm` says otherwise.
 */
export function outlives(flags: Pick<CreateFlags, "rm" | "restart">, detached: boolean): boolean {
  const restarts = parseRestart(flags.restart) !== undefined;
  if (restarts && flags.rm === true) {
    throw new UsageError("Conflicting options: --restart and --rm", {
      hint: "what is removed at its end cannot be started again: leave one of the two out",
    });
  }
  return flags.rm === undefined ? detached || restarts : !flags.rm;
}

const STREAMS = ["stdin", "stdout", "stderr"];

/** The streams `-a` names; undefined without it: those there are. */
export function attachedStreams({
  attach,
  detach,
}: Pick<RunOptions, "attach" | "detach">): readonly string[] | undefined {
  if (attach.length === 0) return undefined;
  if (detach) throw new UsageError("Conflicting options: -a and -d");
  const streams = attach.map((text) => text.toLowerCase());
  const strange = streams.find((stream) => !STREAMS.includes(stream));
  if (strange === undefined) return streams;
  throw new UsageError(`Cannot use --attach "${strange}": there is no such stream`, {
    hint: `use ${STREAMS.join(", ")}`,
  });
}

/** Leaves hb, and whatever it becomes, only the streams that are to be seen. */
export function showOnly(streams: readonly string[]): void {
  const nowhere = openSync("/dev/null", "r+");
  for (const [fd, stream] of STREAMS.entries()) {
    if (fd > 0 && !streams.includes(stream)) replaceDescriptor(nowhere, fd);
  }
  closeSync(nowhere);
}

/** `--cidfile`: the id in a file that is not there yet. */
export function writeCidFile(path: string | undefined, id: string): void {
  if (path === undefined) return;
  try {
    writeFileSync(path, id, { flag: "wx" });
  } catch (error) {
    const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw new HbError(`Cannot write --cidfile "${path}"`, {
      cause: isThere ? new HbError("it exists already") : error,
      ...(isThere ? { hint: "another container may have it; else remove the file" } : {}),
    });
  }
}
