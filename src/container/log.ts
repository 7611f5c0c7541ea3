/** `--log-driver` and `--log-opt` -> what becomes of the payload's output. Pure. */

import { UsageError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import type { Log } from "./plan.ts";

/** Drivers that are files on this machine: all of them are hb's own here. */
const DRIVERS: Readonly<Record<string, Log>> = {
  "json-file": { maxSizeBytes: -1, maxFiles: 1 },
  "k8s-file": { maxSizeBytes: -1, maxFiles: 1 },
  // docker's bounds for this one.
  local: { maxSizeBytes: 20 << 20, maxFiles: 5 },
};

/** Options whose effect hb has anyway, or that only mark lines for a program that collects them. */
const IDLE = [
  ...["compress", "env", "env-regex", "labels", "labels-regex"],
  ...["max-buffer-size", "mode", "tag"],
];

/** What the flags ask for; `isKept`: the output is more than hb's own streams' business. */
export function chooseLog(
  flags: { readonly logDriver?: string; readonly logOpt: readonly string[] },
  isKept: boolean,
): Log | undefined {
  const driver = flags.logDriver ?? "k8s-file";
  const options = flags.logOpt.map(parseOption);
  if (driver === "none") return undefined;
  const defaults = Object.hasOwn(DRIVERS, driver) ? DRIVERS[driver] : undefined;
  if (defaults === undefined) {
    throw new UsageError(`Cannot use --log-driver ${JSON.stringify(driver)}: hb logs to files`, {
      hint: `use ${Object.keys(DRIVERS).join(", ")} or none`,
    });
  }
  const log = options.reduce<Log>((each, [key, value]) => applyOption(each, key, value), defaults);
  return isKept ? log : undefined;
}

function applyOption(log: Log, key: string, value: string): Log {
  if (key === "max-size") return { ...log, maxSizeBytes: parseMaxSize(value) };
  if (key === "max-file") return { ...log, maxFiles: parseMaxFiles(value) };
  return log;
}

function parseOption(text: string): [key: string, value: string] {
  const at = text.indexOf("=");
  const key = text.slice(0, at < 0 ? undefined : at);
  const known = ["max-size", "max-file", ...IDLE];
  if (at > 0 && known.includes(key)) return [key, text.slice(at + 1)];
  const meant = nearest(key, known);
  throw new UsageError(`Cannot use --log-opt ${JSON.stringify(text)}`, {
    hint: meant === undefined || at < 0 ? "write max-size=10m or max-file=3" : `use ${meant}=VALUE`,
  });
}

/** docker's (go-units, FromHumanSize): `10m` are ten million bytes, `10MiB` a little more. */
function parseMaxSize(text: string): number {
  if (text === "-1") return -1;
  const [, amount, unit = "", binary] =
    /^(\d+(?:\.\d+)?) ?([kmgtp]?)(i?)b?$/i.exec(text.trim()) ?? [];
  const power = ["", "k", "m", "g", "t", "p"].indexOf(unit.toLowerCase());
  const bytes = Math.floor(Number(amount) * (binary ? 1024 : 1000) ** power);
  if (amount !== undefined && bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`Cannot use --log-opt max-size=${text}: that is no size`, {
    hint: "write bytes, or a number with k, m or g: max-size=10m",
  });
}

function parseMaxFiles(text: string): number {
  const files = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (files >= 1) return files;
  throw new UsageError(`Cannot use --log-opt max-file=${text}`, {
    hint: "write how many files there may be, at least 1",
  });
}
