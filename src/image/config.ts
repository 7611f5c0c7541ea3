/**
 * The image config: what to run, and the diffIDs that identify the layers' content.
 *
 * Follows image-spec config.md; docker's additions (Healthcheck, Shell …) are kept. `null` is
 * read as absent everywhere, since docker writes it for every empty list and map.
 */

import { HbError } from "../errors.ts";
import type { Descriptor } from "./descriptor.ts";
import { type Digest, digestDefect, digestOf, isDigest } from "./digest.ts";
import {
  compact,
  expectArray,
  expectObject,
  expectSize,
  expectString,
  expectStringMap,
  expectStrings,
  type JsonObject,
  optionalString,
  parseJson,
} from "./json.ts";
import type { Manifest } from "./manifest.ts";
import { normalizePlatform, type Platform } from "./platform.ts";

/** Largest image config taken; the biggest seen in the wild are some hundred KiB of history. */
export const configBytesMax = 8 * 1024 * 1024;

export interface ImageConfig {
  readonly platform: Platform;
  readonly created?: string;
  readonly author?: string;
  readonly config: RunConfig;
  readonly rootfs: { readonly diff_ids: readonly Digest[] };
}

/** `config.config`: defaults for a container, in the spec's spelling. */
export interface RunConfig {
  /** `name|uid[:group|gid]`; "" means root. */
  readonly User: string;
  /** `KEY=VALUE` strings, as written. */
  readonly Env: readonly string[];
  /** Absent and empty are the same. */
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  /** "" means /. */
  readonly WorkingDir: string;
  /** The keys of the spec's object: paths in the container. */
  readonly Volumes: readonly string[];
  /** The keys of the spec's object: `port[/protocol]`. */
  readonly ExposedPorts: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  /** Docker's, in seconds. */
  readonly StopTimeout?: number;
  readonly Healthcheck?: Healthcheck;
  /** Docker's: the shell of Dockerfile's RUN. */
  readonly Shell: readonly string[];
}

/** Docker's HEALTHCHECK; durations in nanoseconds. */
export interface Healthcheck {
  readonly Test: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** The image config in `bytes`. */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  if (bytes.length > configBytesMax) {
    throw new HbError(`Cannot read config: it is larger than ${configBytesMax} bytes`);
  }
  const object = expectObject(parseJson(bytes, "config"), "config");
  return compact({
    platform: normalizePlatform(
      optionalString(object.os, "config.os") ?? "linux",
      optionalString(object.architecture, "config.architecture") ?? "unknown",
      optionalString(object.variant, "config.variant"),
    ),
    created: optionalString(object.created, "config.created"),
    author: optionalString(object.author, "config.author"),
    config: parseRunConfig(memberObject(object, "config", "config.config")),
    rootfs: { diff_ids: parseDiffIDs(memberObject(object, "rootfs", "config.rootfs")) },
  });
}

/** One layer under both its names. */
export interface Layer {
  readonly descriptor: Descriptor;
  readonly diffID: Digest;
}

/** The layers of an image, bottom first. Manifest and config must count the same. */
export function pairLayers(manifest: Manifest, config: ImageConfig): readonly Layer[] {
  const diffIDs = config.rootfs.diff_ids;
  if (diffIDs.length !== manifest.layers.length) {
    throw new HbError(
      `Image is inconsistent: ${manifest.layers.length} layers but ${diffIDs.length} diffIDs`,
    );
  }
  return manifest.layers.flatMap((descriptor, i) => {
    const diffID = diffIDs[i];
    return diffID === undefined ? [] : [{ descriptor, diffID }];
  });
}

/** The chainID of each layer with all below it (config.md, "Layer ChainID"), bottom first. */
export function chainIDs(diffIDs: readonly Digest[]): readonly Digest[] {
  const chain: Digest[] = [];
  for (const diffID of diffIDs) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffID : digestOf(`${below} ${diffID}`));
  }
  return chain;
}

function parseRunConfig(object: JsonObject): RunConfig {
  const at = (name: string): string => `config.config.${name}`;
  const healthcheck = object.Healthcheck;
  return compact({
    User: optionalString(object.User, at("User")) ?? "",
    Env: expectStrings(object.Env, at("Env")),
    Entrypoint: parseCommand(object.Entrypoint, at("Entrypoint")),
    Cmd: parseCommand(object.Cmd, at("Cmd")),
    WorkingDir: optionalString(object.WorkingDir, at("WorkingDir")) ?? "",
    Volumes: parseKeys(object.Volumes, at("Volumes")),
    ExposedPorts: parseKeys(object.ExposedPorts, at("ExposedPorts")),
    Labels: expectStringMap(object.Labels, at("Labels")),
    StopSignal: optionalString(object.StopSignal, at("StopSignal")),
    StopTimeout: optionalNumber(object.StopTimeout, at("StopTimeout")),
    Healthcheck:
      healthcheck === undefined || healthcheck === null
        ? undefined
        : parseHealthcheck(expectObject(healthcheck, at("Healthcheck"))),
    Shell: parseCommand(object.Shell, at("Shell")),
  });
}

function parseHealthcheck(object: JsonObject): Healthcheck {
  const at = (name: string): string => `config.config.Healthcheck.${name}`;
  return compact({
    Test: parseCommand(object.Test, at("Test")),
    Interval: optionalNumber(object.Interval, at("Interval")),
    Timeout: optionalNumber(object.Timeout, at("Timeout")),
    StartPeriod: optionalNumber(object.StartPeriod, at("StartPeriod")),
    StartInterval: optionalNumber(object.StartInterval, at("StartInterval")),
    Retries: optionalNumber(object.Retries, at("Retries")),
  });
}

/** Docker's `strslice`: an array, or a lone string for an array of one. */
function parseCommand(value: unknown, where: string): readonly string[] {
  return typeof value === "string" ? [expectString(value, where)] : expectStrings(value, where);
}

/** The keys of an object used as a set. */
function parseKeys(value: unknown, where: string): readonly string[] {
  if (value === undefined || value === null) return [];
  return Object.keys(expectObject(value, where)).map((key) => expectString(key, where));
}

function optionalNumber(value: unknown, where: string): number | undefined {
  return value === undefined || value === null ? undefined : expectSize(value, where);
}

function memberObject(object: JsonObject, name: string, where: string): JsonObject {
  const value = object[name];
  return value === undefined || value === null ? {} : expectObject(value, where);
}

function parseDiffIDs(rootfs: JsonObject): readonly Digest[] {
  const type = optionalString(rootfs.type, "config.rootfs.type") ?? "layers";
  if (type !== "layers") {
    throw new HbError(`Cannot read config.rootfs.type: expected "layers", got "${type}"`);
  }
  return expectArray(rootfs.diff_ids, "config.rootfs.diff_ids").map((value, i) => {
    const where = `config.rootfs.diff_ids[${i}]`;
    const text = expectString(value, where);
    if (!isDigest(text)) throw new HbError(`Cannot read ${where}: ${digestDefect(text)}`);
    return text;
  });
}
