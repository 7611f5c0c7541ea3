/** Ctrl-C and its kin as an AbortSignal, so that work in the store is undone before hb ends. */

import { constants } from "node:os";
import { HbError } from "../errors.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs `task` with a signal that aborts at SIGINT, SIGTERM or SIGHUP, its reason an error with the
 * shell's exit status for that signal. The second signal ends hb at once, as if unhandled.
 */
export async function interruptible<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    stop();
    const exitCode = 128 + constants.signals[name];
    controller.abort(new HbError(`Interrupted by ${name}`, { exitCode }));
  };
  const stop = (): void => {
    for (const name of SIGNALS) process.off(name, onSignal);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  try {
    return await task(controller.signal);
  } finally {
    stop();
  }
}
