/**
 * Platforms: what an image was built for, and which of several is the best for this machine.
 *
 * Names are Go's (GOOS, GOARCH), as image-spec image-index.md has it; spellings and defaults are
 * normalised as containerd's `platforms` package does, so that docker's `--platform` values work.
 */

import { HbError } from "../errors.ts";

/** Normal form: no variant where it is the default (arm64 v8, amd64 v1), always one for arm. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** x86-64 micro-architecture levels (System V psABI). */
export type Amd64Level = 1 | 2 | 3 | 4;

const architectures = new Set([
  "386",
  "amd64",
  "arm",
  "arm64",
  "loong64",
  "mips64le",
  "ppc64le",
  "riscv64",
  "s390x",
]);

const aliases: Readonly<Record<string, string>> = {
  aarch64: "arm64",
  armel: "arm/v6",
  armhf: "arm/v7",
  i386: "386",
  loongarch64: "loong64",
  x64: "amd64",
  "x86-64": "amd64",
  x86_64: "amd64",
};

const example = "use the form linux/amd64, linux/arm64 or linux/arm/v7";

/**
 * A `--platform` value: `OS/ARCH[/VARIANT]`, or an architecture or an OS alone. What is missing is
 * taken from `host`.
 */
export function parsePlatform(text: string, host: Platform): Platform {
  const parts = text.trim().toLowerCase().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9][a-z0-9_.-]*$/.test(part))) {
    throw new HbError(`Cannot parse platform ${JSON.stringify(text)}`, { hint: example });
  }
  const [first = "", architecture, variant] = parts;
  if (architecture !== undefined) return checkPlatform(text, first, architecture, variant);
  if (first === "linux") return host;
  return checkPlatform(text, "linux", first, undefined);
}

/** `os`, `architecture` and `variant` in normal form, for values read from an image. */
export function normalizePlatform(os: string, architecture: string, variant?: string): Platform {
  const lower = architecture.toLowerCase();
  const alias = Object.hasOwn(aliases, lower) ? aliases[lower] : undefined;
  const [name = "", implied] = (alias ?? lower).split("/");
  const given = (variant ?? "").toLowerCase();
  const versioned = /^\d/.test(given) ? `v${given}` : given;
  const chosen = versioned === "" ? (implied ?? (name === "arm" ? "v7" : "")) : versioned;
  const isDefault = (name === "arm64" && chosen === "v8") || (name === "amd64" && chosen === "v1");
  const bare = { os: os.toLowerCase(), architecture: name };
  return chosen === "" || isDefault ? bare : { ...bare, variant: chosen };
}

/** `linux/arm/v7` */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** The platform of a Linux machine, from `process.arch` or `uname -m`. */
export function hostPlatform(arch: string): Platform {
  return normalizePlatform("linux", arch === "ia32" ? "386" : arch);
}

/**
 * How well `have` serves a wish for `want`: undefined is not at all, otherwise the higher the
 * better. Variants are levels: a CPU runs what is built for its own level and for those below, so
 * the best is the highest not above (arm v7 → v6 → v5; amd64 v3 → v2 → v1).
 */
export function matchPlatform(want: Platform, have: Platform): number | undefined {
  if (want.os !== have.os || want.architecture !== have.architecture) return undefined;
  const wanted = variantLevel(want);
  const offered = variantLevel(have);
  if (wanted === undefined || offered === undefined) {
    return want.variant === have.variant ? 0 : undefined;
  }
  return offered <= wanted ? offered : undefined;
}

/** The level of an x86-64 CPU by the `flags` line of /proc/cpuinfo. */
export function amd64Level(cpuFlags: string): Amd64Level {
  const flags = new Set(cpuFlags.split(/\s+/));
  const has = (names: string): boolean => names.split(" ").every((name) => flags.has(name));
  if (!has("cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3")) return 1;
  if (!has("avx avx2 bmi1 bmi2 f16c fma abm movbe xsave")) return 2;
  return has("avx512f avx512bw avx512cd avx512dq avx512vl") ? 4 : 3;
}

function checkPlatform(
  text: string,
  os: string,
  architecture: string,
  variant: string | undefined,
): Platform {
  const platform = normalizePlatform(os, architecture, variant);
  const why =
    platform.os !== "linux"
      ? `images for ${platform.os} cannot run on Linux`
      : architectures.has(platform.architecture)
        ? undefined
        : `unknown architecture "${platform.architecture}"`;
  if (why === undefined) return platform;
  throw new HbError(`Cannot use platform ${JSON.stringify(text)}: ${why}`, { hint: example });
}

/** `v7` as 7, `v8.2` as 8.2; the default variant where there is none. */
function variantLevel(platform: Platform): number | undefined {
  const { architecture, variant } = platform;
  if (variant === undefined) {
    return architecture === "amd64" ? 1 : architecture === "arm64" ? 8 : undefined;
  }
  const match = /^v(\d{1,2}(?:\.\d{1,2})?)$/.exec(variant);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}
