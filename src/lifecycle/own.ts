/** Taking a container's lock, to start it or to remove it. */

import { type DirectoryLock, type NoLock, tryOwn, waitNamedLock } from "../store/lock.ts";
import type { Known } from "./select.ts";
import { readState } from "./state.ts";

/**
 * The container's lock, unless it runs. A supervisor that has written the end down still has to
 * unmount and let go, and the guard of a killed one to end the payload, which whoever heard of the
 * end need not know: that is waited for. The turn is the caller's (store/kept.ts).
 */
export function tryOwnContainer(known: Known): DirectoryLock | NoLock {
  const lock = tryOwn(known.directory);
  if (lock !== "busy" || readState(known).status !== "exited") return lock;
  return waitNamedLock(known.directory, "exclusive") ?? "missing";
}
