/** Durations in Go's notation, as docker takes them everywhere. Pure. */

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds (`1h30m`, `1.5s`, `-2m`, `0`), or undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  const [, sign = "", parts = ""] =
    /^([+-]?)((?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+)$/.exec(text) ?? [];
  if (parts === "") return undefined;
  const sum = [...parts.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)].reduce(
    (total, [, number, unit = ""]) => total + Number(number) * (UNITS[unit] ?? 0),
    0,
  );
  return sign === "-" ? -sum : sum;
}
