/** The way to a container's files: hb's helper, told how to reach them. */

import { HbError } from "../errors.ts";
import { helperFailure, runHelper } from "../helper/binary.ts";
import { interruptible } from "../host/interrupt.ts";
import { isHeld, waitNamedLock } from "../store/lock.ts";
import type { Known } from "./select.ts";
import { readState, supervisorOf } from "./state.ts";

/** The helper's flags for the container's files; by way of its processes while it has some. */
export function placeFlags(known: Known): string[] {
  const flags = ["--container", known.directory];
  const { status, pid, supervisor } = readState(known);
  const isThere = status === "running" || status === "paused";
  if (isThere && pid !== undefined && supervisor !== undefined) {
    return [...flags, "--pid", String(pid), "--supervisor", String(supervisor)];
  }
  // The supervisor has written down the end, and still has to unmount and let go.
  const isEnding = status === "exited" && isHeld(known.directory);
  if (isEnding && supervisorOf(known) !== undefined) {
    waitNamedLock(known.directory, "shared")?.release();
  }
  return flags;
}

/** What is at a path of a container. */
export interface Seen {
  readonly kind: SeenKind;
  /** The path with a link at its end replaced by what it names, however often. */
  readonly path: string;
  /** What is there. */
  readonly target: SeenKind;
}

type SeenKind = "absent" | "directory" | "file" | "symlink" | "device" | "other";

/** Looks at a path of a container; `doing` is what for. */
export function lookInContainer(known: Known, path: string, doing: string): Seen {
  const answer = runHelper(["look", ...placeFlags(known), "--path", path], doing);
  return JSON.parse(answer) as Seen;
}

/** Status of a program that was told nobody reads any more, as shells have it. */
const EXIT_BROKEN_PIPE = 141;

/**
 * Waits for helpers that work together; the first of them that says why it failed is the reason.
 * One that fails silently has lost its reader: then this is the status for that.
 */
export async function finishAll(
  helpers: readonly Bun.Subprocess[],
  doing: string,
): Promise<number> {
  return await interruptible(async (signal) => {
    const stop = () => {
      for (const helper of helpers) helper.kill("SIGTERM");
    };
    signal.addEventListener("abort", stop);
    const said = await Promise.all(
      helpers.map(({ stderr }) => new Response(stderr as ReadableStream<Uint8Array>).text()),
    );
    const statuses = await Promise.all(helpers.map(({ exited }) => exited));
    signal.throwIfAborted();
    for (const [i, stderr] of said.entries()) {
      if (statuses[i] !== 0 && stderr !== "") {
        throw new HbError(doing, { cause: helperFailure(stderr, statuses[i] ?? null) });
      }
    }
    if (statuses.every((status) => status === 0)) return 0;
    if (helpers.length === 1) return EXIT_BROKEN_PIPE;
    throw new HbError(doing, { cause: helperFailure("", statuses.find((it) => it !== 0) ?? null) });
  });
}
