/** `hb attach`: a running container's streams. Returns only by failing; else hb is the follower. */

import { parseDetachKeys } from "../container/detach-keys.ts";
import { HbError } from "../errors.ts";
import { becomeHelper } from "../helper/launch.ts";
import { findContainer } from "../lifecycle/select.ts";
import { settled } from "../lifecycle/settle.ts";
import { readState, requireRunning } from "../lifecycle/state.ts";
import type { AttachOptions } from "../options/containers.ts";
import { currentStore } from "../store/layout.ts";

/** Follows the container; the exit status is its own, by way of execve. */
export async function attach(options: AttachOptions): Promise<number> {
  const { container, noStdin, sigProxy } = options;
  const keys = parseDetachKeys(options.detachKeys);
  const known = await settled(findContainer(currentStore(), container));
  requireRunning(known, "attach");
  if (readState(known).status === "paused") {
    throw new HbError(`Cannot attach: container ${container} is paused`, {
      hint: `continue it with 'hb unpause ${container}'`,
    });
  }
  return becomeHelper([
    "attach",
    known.directory,
    ...(noStdin ? ["--no-stdin"] : []),
    ...(sigProxy ? [] : ["--no-sig-proxy"]),
    ...(keys === "" ? [] : ["--detach-keys", keys]),
  ]);
}
