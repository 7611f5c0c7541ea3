/** How a container lives on, and how it ends: flags and the image's word -> `hb.life`. Pure. */

import { UsageError } from "../errors.ts";
import type { LifeFlags } from "../options/containers.ts";
import { chooseHealth, type ImageHealth } from "./health.ts";
import { chooseLog } from "./log.ts";
import type { Detach, Life, Restart } from "./plan.ts";
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
  /** The container outlives its run. */
  readonly keep: boolean;
  /** The store's file of events. */
  readonly events: string;
}

/** The life `flags` ask for. */
export function chooseLife(
  flags: LifeFlags & { readonly stopSignal?: string },
  image: ImageHealth & { readonly StopSignal?: string },
  { detach, keep, events }: LifeWishes,
): Life {
  const imageSignal = image.StopSignal === "" ? undefined : image.StopSignal;
  const signal = parseSignal(flags.stopSignal ?? imageSignal ?? "TERM", "--stop-signal");
  const timeout = parseSeconds(flags.timeout, "--timeout");
  const restart = parseRestart(flags.restart);
  const health = chooseHealth(flags, image);
  const log = chooseLog(flags, keep || detach !== undefined);
  return {
    ...(detach === undefined ? {} : { detach }),
    stopSignal: signalNumber(signal),
    stopTimeoutMs: stopTimeoutMs(parseSeconds(flags.stopTimeout, "--stop-timeout")),
    ...(timeout === undefined || timeout <= 0 ? {} : { timeoutMs: timeout * 1000 }),
    ...(restart === undefined ? {} : { restart }),
    ...(health === undefined ? {} : { health }),
    ...(log === undefined ? {} : { log }),
    events,
  };
}

/** `no`, `always`, `unless-stopped` or `on-failure[:TIMES]`; undefined: never started again. */
export function parseRestart(text: string | undefined): Restart | undefined {
  if (text === undefined || text === "" || text === "no") return undefined;
  const [, policy, times] = /^(always|unless-stopped|on-failure)(?::(\d{1,9}))?$/.exec(text) ?? [];
  if (policy === "on-failure") return { policy, maximumRetryCount: Number(times ?? 0) };
  if (times === undefined && (policy === "always" || policy === "unless-stopped")) {
    return { policy, maximumRetryCount: 0 };
  }
  throw new UsageError(`Cannot use --restart ${JSON.stringify(text)}`, {
    hint: "use no, on-failure[:TIMES], always or unless-stopped",
  });
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
