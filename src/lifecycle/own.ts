/** Taking a container's lock, to start it or to remove it. */

import { type DirectoryLock, type NoLock, tryOwn, waitNamedLock } from "../store/lock.ts";
import type { Known } from "./select.ts";
import { readState, supervisorOf } from "./state.ts";

/**
 * The container's lock, unless it runs. A supervisor that has written the end down still has to
 * unmount and let go, which whoever heard of the end need not know: that is waited for. The turn is
 * the caller's (store/kept.ts).
 */
export function tryOwnContainer(known: Known): DirectoryLock | NoLock {
  const lock = tryOwn(known.directory);
  if (lock !== "busy" || readState(known).status !== "exited") return lock;
  // Without a supervisor of its own it is the state of the run before: this one begins only.
  if (supervisorOf(known) === undefined) return tryOwn(known.directory);
  return waitNamedLock(known.directory, "exclusive") ?? "missing";
}
