/** The payload's environment, in docker's order and by docker's rules. Pure. */

import { HbError, UsageError } from "../errors.ts";
import { defaultPath } from "./defaults.ts";
import type { HostFacts } from "./facts.ts";

export interface EnvironmentWishes {
  readonly env: readonly string[];
  readonly envFile: readonly string[];
  readonly tty: boolean;
  readonly httpProxy: boolean;
  /** The image's, `KEY=VALUE`. */
  readonly imageEnv: readonly string[];
  readonly hostname: string;
}

type Facts = Pick<HostFacts, "variable" | "readText">;

/**
 * PATH, HOSTNAME and TERM, then what the user set (files before flags), then what the image set and
 * the user did not (moby, CreateDaemonEnvironment and merge). A KEY without a value that the caller
 * does not have either removes what hb or the image would set. HOME is the helper's: only it knows
 * the user. A variable set twice keeps its last value.
 */
export function buildEnvironment(wishes: EnvironmentWishes, facts: Facts): readonly string[] {
  const user = userVariables(wishes, facts);
  const named = new Set(user.map(keyOf));
  const ours = [`PATH=${defaultPath}`, `HOSTNAME=${wishes.hostname}`];
  if (wishes.tty) ours.push("TERM=xterm");
  const values = new Map<string, string>();
  for (const entry of ours) if (!named.has(keyOf(entry))) values.set(keyOf(entry), entry);
  for (const entry of wishes.imageEnv) {
    // Placed now so that PATH stays first; appended below when it is new.
    if (!named.has(keyOf(entry)) && values.has(keyOf(entry))) values.set(keyOf(entry), entry);
  }
  for (const entry of user) if (entry.includes("=")) values.set(keyOf(entry), entry);
  for (const entry of wishes.imageEnv) {
    if (!named.has(keyOf(entry)) && entry.includes("=")) values.set(keyOf(entry), entry);
  }
  return [...values.values()];
}

/** What the user set: `KEY=VALUE`, or `KEY` to remove what hb or the image would set. */
export function userVariables(
  wishes: Pick<EnvironmentWishes, "env" | "envFile" | "httpProxy">,
  facts: Facts,
): readonly string[] {
  return [
    ...(wishes.httpProxy ? proxyVariables(facts) : []),
    ...wishes.envFile.flatMap((path) => parseKeyValueFile(path, "--env-file", facts)),
    ...wishes.env.map((text) => passThrough(text, facts)),
  ];
}

/** The caller's, in both spellings programs look for; podman's list. */
function proxyVariables(facts: Facts): readonly string[] {
  const names = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"];
  return [...names, ...names.map((name) => name.toUpperCase())].flatMap((name) => {
    const value = facts.variable(name);
    return value === undefined ? [] : [`${name}=${value}`];
  });
}

/** The `KEY=VALUE` and `KEY` lines of a file, in docker/cli's pkg/kvfile syntax. */
export function parseKeyValueFile(path: string, flag: string, facts: Facts): string[] {
  const entries: string[] = [];
  const lines = facts
    .readText(path)
    .replace(/^\uFEFF/, "")
    .split("\n");
  for (const [index, line] of lines.entries()) {
    const text = line.replace(/\r$/, "").trimStart();
    if (text === "" || text.startsWith("#")) continue;
    const key = keyOf(text);
    const defect = keyDefect(key);
    if (defect !== undefined) {
      throw new HbError(`Cannot read ${flag} "${path}": line ${index + 1}: ${defect}`, {
        hint: "write one KEY=VALUE a line",
      });
    }
    const entry = flag === "--env-file" ? passThrough(text, facts) : text;
    // A file's KEY that the caller lacks is left out, and so removes nothing.
    if (entry.includes("=") || flag !== "--env-file") entries.push(entry);
  }
  return entries;
}

/** The name of `KEY=VALUE`. */
export function keyOf(entry: string): string {
  const equals = entry.indexOf("=");
  return equals === -1 ? entry : entry.slice(0, equals);
}

function keyDefect(key: string): string | undefined {
  if (key === "") return "there is no name before '='";
  if (/[ \t]/.test(key)) return `the name "${key}" contains white space`;
  return key.includes("\0") ? "it contains a NUL byte" : undefined;
}

/** `KEY` becomes `KEY=` and the caller's value; it stays `KEY` where the caller has none. */
function passThrough(text: string, facts: Facts): string {
  const key = keyOf(text);
  if (key === "") {
    throw new UsageError(`Cannot use -e "${text}": there is no name before '='`, {
      hint: "write it as -e KEY=VALUE",
    });
  }
  if (text.includes("=")) return text;
  const value = facts.variable(key);
  return value === undefined ? key : `${key}=${value}`;
}
