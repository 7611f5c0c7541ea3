/**
 * `--change`: Dockerfile instructions that alter a config, for images that come about without a
 * Dockerfile. Docker's set and the Dockerfile's grammar: lists as JSON or, for commands, a line for
 * /bin/sh. Pure.
 */

import { HbError } from "../errors.ts";
import { parseDuration } from "./duration.ts";
import type { JsonObject } from "./json.ts";

/** `config.config` in the wire's spelling, with the instructions applied in their order. */
export function applyChanges(config: JsonObject, changes: readonly string[]): JsonObject {
  return changes.reduce(applyChange, config);
}

function applyChange(config: JsonObject, change: string): JsonObject {
  const [, word = "", rest = ""] = /^\s*([A-Za-z]+)\s+(.*?)\s*$/s.exec(change) ?? [];
  const instruction = word.toUpperCase();
  if (rest === "") throw refuse(change, "expected an instruction and its argument");
  switch (instruction) {
    case "CMD":
      return { ...config, Cmd: command(rest) };
    case "ENTRYPOINT":
      return { ...config, Entrypoint: command(rest) };
    case "USER":
      return { ...config, User: rest };
    case "WORKDIR":
      return { ...config, WorkingDir: rest };
    case "STOPSIGNAL":
      return { ...config, StopSignal: rest };
    case "ENV":
      return { ...config, Env: withVariables(config.Env, pairs(rest, change)) };
    case "LABEL":
      return { ...config, Labels: { ...members(config.Labels), ...pairs(rest, change) } };
    case "EXPOSE":
      return { ...config, ExposedPorts: withKeys(config.ExposedPorts, ports(rest, change)) };
    case "VOLUME":
      return { ...config, Volumes: withKeys(config.Volumes, list(rest) ?? words(rest, change)) };
    case "HEALTHCHECK":
      return { ...config, Healthcheck: healthcheck(rest, change) };
    case "ONBUILD":
      return { ...config, OnBuild: [...entries(config.OnBuild), trigger(rest, change)] };
    default:
      throw refuse(change, `"${word}" is no instruction that changes an image's config`);
  }
}

function command(text: string): readonly string[] {
  return list(text) ?? ["/bin/sh", "-c", text];
}

/** A JSON array of strings; undefined for anything else, which is then plain text. */
function list(text: string): readonly string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    const isList = Array.isArray(value) && value.every((item) => typeof item === "string");
    return isList ? value : undefined;
  } catch (error) {
    // As in a Dockerfile: what is no JSON is a line for the shell.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** `[--interval=… …] CMD COMMAND`, or NONE. */
function healthcheck(text: string, change: string): JsonObject {
  const [, flags = "", kind = "", test = ""] = /^((?:--\S+\s+)*)(\S+)\s*(.*)$/s.exec(text) ?? [];
  const options = flags.match(/\S+/g) ?? [];
  if (/^NONE$/i.test(kind) && test === "" && options.length === 0) return { Test: ["NONE"] };
  if (!/^CMD$/i.test(kind) || test === "") throw refuse(change, "expected NONE, or CMD COMMAND");
  const words = list(test);
  return {
    Test: words === undefined ? ["CMD-SHELL", test] : ["CMD", ...words],
    ...Object.fromEntries(options.map((option) => healthOption(option, change))),
  };
}

const healthTimes: Readonly<Record<string, string>> = {
  interval: "Interval",
  timeout: "Timeout",
  "start-period": "StartPeriod",
  "start-interval": "StartInterval",
};

/** `--NAME=VALUE` as a member of the config's Healthcheck; its times are nanoseconds. */
function healthOption(option: string, change: string): readonly [string, number] {
  const [, name = "", value = ""] = /^--([a-z-]+)=(.*)$/.exec(option) ?? [];
  if (name === "retries" && /^\d{1,9}$/.test(value)) return ["Retries", Number(value)];
  const key = Object.hasOwn(healthTimes, name) ? healthTimes[name] : undefined;
  const ms = parseDuration(value);
  if (key === undefined || ms === undefined || (ms !== 0 && ms < 1)) {
    throw refuse(change, `HEALTHCHECK does not take ${option}`);
  }
  return [key, Math.round(ms * 1e6)];
}

/** An instruction for whoever builds on the image; moby refuses the same three. */
function trigger(text: string, change: string): string {
  const [word = ""] = text.split(/\s/, 1);
  if (!/^(ONBUILD|FROM|MAINTAINER)$/i.test(word)) return text;
  throw refuse(change, `ONBUILD does not take ${word}`);
}

/** `KEY=VALUE …` with quotes and backslashes, or the old `KEY VALUE`. */
function pairs(text: string, change: string): Readonly<Record<string, string>> {
  if (!/^[^\s"'=]+=/.test(text)) {
    const [, key = "", value] = /^(\S+)\s+(.*)$/s.exec(text) ?? [];
    if (value === undefined) throw refuse(change, "expected KEY=VALUE");
    return { [key]: value };
  }
  return Object.fromEntries(
    words(text, change).map((word) => {
      const equals = word.indexOf("=");
      if (equals <= 0) throw refuse(change, `expected KEY=VALUE, got "${word}"`);
      return [word.slice(0, equals), word.slice(equals + 1)];
    }),
  );
}

/** Words as a shell has them: quotes group, a backslash takes the next character as it is. */
function words(text: string, change: string): string[] {
  const found = text.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs) ?? [];
  if (text.replaceAll(/\s/g, "") !== found.join("").replaceAll(/\s/g, "")) {
    throw refuse(change, "a quote is not closed");
  }
  return found.map((word) =>
    word.replaceAll(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs, (_, escaped, double, single) => {
      return escaped ?? single ?? String(double).replaceAll(/\\(["\\$])/g, "$1");
    }),
  );
}

function ports(text: string, change: string): string[] {
  return words(text, change).map((port) => {
    if (!/^\d{1,5}(-\d{1,5})?(\/(tcp|udp|sctp))?$/.test(port)) {
      throw refuse(change, `"${port}" is no port`);
    }
    return port.includes("/") ? port : `${port}/tcp`;
  });
}

function withVariables(env: unknown, added: Readonly<Record<string, string>>): string[] {
  const kept = entries(env).filter((entry) => !Object.hasOwn(added, entry.split("=", 1)[0] ?? ""));
  return [...kept, ...Object.entries(added).map(([key, value]) => `${key}=${value}`)];
}

function entries(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function withKeys(object: unknown, keys: readonly string[]): JsonObject {
  return { ...members(object), ...Object.fromEntries(keys.map((key) => [key, {}])) };
}

function members(value: unknown): JsonObject {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function refuse(change: string, why: string): HbError {
  return new HbError(`Cannot read --change ${JSON.stringify(change)}: ${why}`, {
    hint: "see 'hb help import' for those there are",
  });
}
