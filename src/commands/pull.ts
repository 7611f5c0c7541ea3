/** `hb pull`: an image from its registry into the store. */

import { parseDuration } from "../container/duration.ts";
import { HbError } from "../errors.ts";
import { currentIdentity } from "../host/identity.ts";
import { interruptible } from "../host/interrupt.ts";
import { hostPlatform, parsePlatform } from "../image/platform.ts";
import { familiarName, formatReference, parseReference } from "../image/reference.ts";
import type { PullOptions } from "../options.ts";
import { printResult } from "../output.ts";
import { pullImage } from "../pull.ts";
import { currentStore } from "../store/layout.ts";

/** Ends stdout with the canonical reference, as docker does; `-q` prints the digest and no more. */
export async function pull(options: PullOptions): Promise<number> {
  const reference = parseReference(options.image);
  const host = hostPlatform(process.arch);
  const platform = options.platform === undefined ? host : parsePlatform(options.platform, host);
  const store = currentStore();
  const { quiet, tlsVerify, cacert } = options;
  const settings = { store, platform, quiet, tlsVerify, cacert, identity: currentIdentity() };
  const timeoutMs = options.timeout === undefined ? undefined : parseTimeout(options.timeout);
  const { digest, isNew } = await interruptible((signal) =>
    withDeadline(signal, timeoutMs, (until) =>
      pullImage(reference, { ...settings, signal: until }),
    ),
  );
  if (quiet) {
    printResult(digest);
    return 0;
  }
  printResult(`Digest: ${digest}`);
  const status = isNew ? "Downloaded newer image" : "Image is up to date";
  printResult(`Status: ${status} for ${familiarName(reference)}`);
  printResult(formatReference(reference));
  return 0;
}

/** Go's notation, or seconds. */
function parseTimeout(text: string): number {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  // setTimeout takes 31 bits.
  if (ms !== undefined && ms > 0 && ms < 2 ** 31) return ms;
  throw new HbError(`Cannot use --timeout "${text}"`, { hint: "write 90s, 5m or 1h" });
}

/** Runs `task` with a signal that also aborts when the time is over. */
async function withDeadline<T>(
  signal: AbortSignal,
  timeoutMs: number | undefined,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (timeoutMs === undefined) return await task(signal);
  const deadline = new AbortController();
  const error = new HbError(`Cannot pull: it took longer than ${timeoutMs / 1000} s (--timeout)`, {
    hint: "layers that are complete are kept for the next attempt",
  });
  const timer = setTimeout(() => deadline.abort(error), timeoutMs);
  try {
    return await task(AbortSignal.any([signal, deadline.signal]));
  } finally {
    clearTimeout(timer);
  }
}
