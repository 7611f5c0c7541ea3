/** How a container lives on, and how it ends: flags and the image's word -> `hb.life`. Pure. */

import { UsageError } from "../errors.ts";
import type { LifeFlags } from "../options/containers.ts";
import { chooseHealth, type ImageHealth } from "./health.ts";
import type { Detach, Life } from "./plan.ts";
import { parseSignal, signalNumber } from "./signals.ts";

/** docker's: ten seconds from the stop signal to SIGKILL. */
const STOP_TIMEOUT_S = 10;

/** The life of a container that is only looked at. */
export const briefLife: Life = {
  stopSignal: 15,
  stopTimeoutMs: STOP_TIMEOUT_S * 1000,
  events: "/dev/null",
};

/** What the command that starts the container decides about its life. */
export interface LifeWishes {
  /** Absent: in the foreground. */
  readonly detach?: Detach;
  /** The store's file of events. */
  readonly events: string;
}

/** The life `flags` ask for. */
export function chooseLife(
  flags: LifeFlags & { readonly stopSignal?: string },
  image: ImageHealth & { readonly StopSignal?: string },
  { detach, events }: LifeWishes,
): Life {
  const imageSignal = image.StopSignal === "" ? undefined : image.StopSignal;
  const signal = parseSignal(flags.stopSignal ?? imageSignal ?? "TERM", "--stop-signal");
  const timeout = parseSeconds(flags.timeout, "--timeout");
  const health = chooseHealth(flags, image);
  return {
    ...(detach === undefined ? {} : { detach }),
    stopSignal: signalNumber(signal),
    stopTimeoutMs: stopTimeoutMs(parseSeconds(flags.stopTimeout, "--stop-timeout")),
    ...(timeout === undefined || timeout <= 0 ? {} : { timeoutMs: timeout * 1000 }),
    ...(health === undefined ? {} : { health }),
    events,
  };
}

/** Below zero: wait for as long as it takes. */
function stopTimeoutMs(seconds: number | undefined): number {
  if (seconds === undefined) return STOP_TIMEOUT_S * 1000;
  return seconds < 0 ? -1 : seconds * 1000;
}

/** Whole seconds, as docker takes them. */
export function parseSeconds(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^-?\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isNaN(seconds)) return seconds;
  throw new UsageError(`Cannot use ${flag} ${JSON.stringify(text)}`, {
    hint: `write seconds, for example ${flag} 30`,
  });
}
