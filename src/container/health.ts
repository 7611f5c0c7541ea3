/**
 * Whether and how it is asked if a payload is well: `--health-…` and the image's HEALTHCHECK ->
 * `hb.life.health`, by docker's rules (moby, daemon/health.go and its merge of configs). Pure.
 */

import { UsageError } from "../errors.ts";
import type { Healthcheck } from "../image/config.ts";
import { parseDuration } from "../image/duration.ts";
import type { HealthFlags } from "../options/containers.ts";
import type { Health } from "./plan.ts";

/** What of an image config is about health. */
export interface ImageHealth {
  readonly Healthcheck?: Healthcheck;
  /** What runs a check that is a line of shell. */
  readonly Shell?: readonly string[];
}

/** Milliseconds where nothing, or 0, is said. */
const defaults = { interval: 30_000, timeout: 30_000, startPeriod: 0, startInterval: 5000 };
const DEFAULT_RETRIES = 3;
const NANOSECONDS = 1e6;

/** The check `flags` and `image` ask for together; undefined: none. */
export function chooseHealth(flags: HealthFlags, image: ImageHealth): Health | undefined {
  const interval = parseTime(flags.healthInterval, "--health-interval");
  const timeout = parseTime(flags.healthTimeout, "--health-timeout");
  const startPeriod = parseTime(flags.healthStartPeriod, "--health-start-period");
  const startInterval = parseTime(flags.healthStartInterval, "--health-start-interval");
  const retries = parseRetries(flags.healthRetries);
  const asked = [flags.healthCmd, interval, timeout, startPeriod, startInterval, retries];
  if (flags.noHealthcheck) {
    if (asked.every((wish) => wish === undefined)) return undefined;
    throw new UsageError("Cannot use --no-healthcheck together with --health-… flags");
  }
  const check = image.Healthcheck;
  const args = chooseCheck(flags.healthCmd, check?.Test ?? [], image.Shell ?? []);
  if (args === undefined) return undefined;
  const ms = (wish: number | undefined, imageNs: number | undefined, otherwise: number) => {
    const chosen = wish || (imageNs ?? 0) / NANOSECONDS || otherwise;
    return chosen === 0 ? 0 : Math.max(1, Math.round(chosen));
  };
  return {
    args,
    intervalMs: ms(interval, check?.Interval, defaults.interval),
    timeoutMs: ms(timeout, check?.Timeout, defaults.timeout),
    startPeriodMs: ms(startPeriod, check?.StartPeriod, defaults.startPeriod),
    startIntervalMs: ms(startInterval, check?.StartInterval, defaults.startInterval),
    retries: retries || check?.Retries || DEFAULT_RETRIES,
  };
}

/** docker's Test: `NONE`, `CMD` and the command, or `CMD-SHELL` and a line for the shell. */
function chooseCheck(
  command: string | undefined,
  image: readonly string[],
  imageShell: readonly string[],
): readonly string[] | undefined {
  const test = command === undefined || command === "" ? image : ["CMD-SHELL", command];
  const [kind, ...args] = test;
  if (args.length === 0) return undefined;
  const shell = imageShell.length > 0 ? imageShell : ["/bin/sh", "-c"];
  if (kind === "CMD-SHELL") return [...shell, ...args];
  return kind === "CMD" ? args : undefined;
}

function parseTime(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === 0 || (ms !== undefined && ms >= 1)) return ms;
  const why = ms === undefined ? "that is no duration" : "that is less than a millisecond";
  throw new UsageError(`Cannot use ${flag} ${JSON.stringify(text)}: ${why}`, {
    hint: `write a number with ms, s, m or h: ${flag} 30s`,
  });
}

function parseRetries(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`Cannot use --health-retries ${JSON.stringify(text)}`, {
    hint: "write how many failures in a row are too many: --health-retries 3",
  });
}
