/**
 * The files that hold credentials: podman's auth.json (containers-auth.json(5)) and docker's
 * config.json, which have one form. Pure. What is wrong is said by file and key; never a value.
 */

import { HbError } from "../errors.ts";
import type { Credential } from "../registry/credential.ts";

/** A JSON object as it was read; what hb does not know is written back as it was. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What a file says of one registry. */
export type Found =
  | { readonly kind: "credential"; readonly credential: Credential }
  /** Ask `docker-credential-NAME` for `key`; `isOwn`: the file has it for this very registry. */
  | {
      readonly kind: "helper";
      readonly name: string;
      readonly key: string;
      readonly isOwn: boolean;
    };

/** docker's own key for Docker Hub, which everyone reads. */
const hubKey = "https://index.docker.io/v1/";
const hubNames = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

/** `text`, the content of `path`, as an object. */
export function parseAuthFile(path: string, text: string): JsonObject {
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser's own words could quote what stands there.
    if (!(error instanceof SyntaxError)) throw error;
    throw new HbError(`Cannot read credentials in ${path}: it is not JSON`, {
      hint: "correct it, or move it away and log in again with 'hb login'",
    });
  }
  return requireObject(path, "it", value);
}

/**
 * What `file` says of `registry` and a repository there: the credential of the longest key that is
 * a prefix of it, component by component. A helper named for the registry goes before that, one
 * for all registries (docker's `credsStore`) after it.
 */
export function findIn(
  path: string,
  file: JsonObject,
  registry: string,
  repository: string | undefined,
): readonly Found[] {
  const wanted = prefixes(registry, repository);
  const key = serverKey(registry);
  const found: Found[] = [];
  for (const [, name] of matching(section(path, file, "credHelpers"), wanted)) {
    found.push({ kind: "helper", name: helperName(path, name), key, isOwn: true });
    break;
  }
  for (const [entryKey, entry] of matching(section(path, file, "auths"), wanted)) {
    const credential = credentialOf(path, entryKey, entry);
    if (credential === undefined) continue;
    found.push({ kind: "credential", credential });
    break;
  }
  const { credsStore } = file;
  if (typeof credsStore === "string" && credsStore !== "") {
    found.push({ kind: "helper", name: helperName(path, credsStore), key, isOwn: false });
  }
  return found;
}

/** The key of `auths` or `credHelpers` that is exactly for `target`, as the file spells it. */
export function ownKey(
  path: string,
  file: JsonObject,
  part: "auths" | "credHelpers",
  target: string,
): string | undefined {
  const keys = Object.keys(section(path, file, part));
  return keys.find((key) => key === target) ?? keys.find((key) => normalizeKey(key) === target);
}

/** The helper that `file` wants for `target`, a registry or a repository's prefix. */
export function helperOf(path: string, file: JsonObject, target: string): string | undefined {
  const [registry = ""] = target.split("/");
  for (const [, name] of matching(section(path, file, "credHelpers"), [registry])) {
    return helperName(path, name);
  }
  const { credsStore } = file;
  return typeof credsStore === "string" && credsStore !== ""
    ? helperName(path, credsStore)
    : undefined;
}

/** `file` with `entry` for `target`, or without one. */
export function withEntry(
  path: string,
  file: JsonObject,
  target: string,
  entry: JsonObject | undefined,
): JsonObject {
  const auths: Record<string, unknown> = { ...section(path, file, "auths") };
  if (entry !== undefined) {
    auths[ownKey(path, file, "auths", target) ?? serverKey(target)] = entry;
    return { ...file, auths };
  }
  for (const key of Object.keys(auths)) if (normalizeKey(key) === target) delete auths[key];
  return { ...file, auths };
}

/** The registries and prefixes that `file` has entries for, normalized. */
export function targetsOf(path: string, file: JsonObject): readonly string[] {
  const keys = ["auths", "credHelpers"] as const;
  return [...new Set(keys.flatMap((part) => Object.keys(section(path, file, part))))].map(
    normalizeKey,
  );
}

/** An entry of `auths`; as docker's, one with a refresh token has the name without a password. */
export function entryOf({ username, password, refreshToken }: LoginSecrets): JsonObject {
  const auth = (secret: string) => Buffer.from(`${username}:${secret}`).toString("base64");
  if (refreshToken === undefined) return { auth: auth(password) };
  return { auth: auth(""), identitytoken: refreshToken };
}

/** What a login is kept as: where there is a refresh token, that and not the password. */
export interface LoginSecrets {
  readonly username: string;
  readonly password: string;
  readonly refreshToken?: string;
}

/** What helpers and docker call a registry. */
export function serverKey(target: string): string {
  return target === "docker.io" ? hubKey : target;
}

/**
 * A key as a registry or a repository's prefix. Docker wrote URLs, whose path is a version of the
 * API and no namespace: `https://index.docker.io/v1/`.
 */
export function normalizeKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, "");
  const [host = "", ...path] = bare.split("/");
  const lower = host.toLowerCase();
  const registry = hubNames.has(lower) ? "docker.io" : lower;
  return bare === key && path.length > 0 ? [registry, ...path].join("/") : registry;
}

/** `r/a/b`, `r/a`, `r`: the most specific first. */
function prefixes(registry: string, repository: string | undefined): readonly string[] {
  const parts = repository === undefined ? [] : repository.split("/");
  const longer = parts.map((_, n) => [registry, ...parts.slice(0, parts.length - n)].join("/"));
  return [...longer, registry];
}

/** The entries whose key is one of `wanted`, in that order; of two spellings the plainer first. */
function matching(
  entries: JsonObject,
  wanted: readonly string[],
): readonly (readonly [string, unknown])[] {
  const all = Object.entries(entries);
  return wanted.flatMap((target) => [
    ...all.filter(([key]) => key === target),
    ...all.filter(([key]) => key !== target && normalizeKey(key) === target),
  ]);
}

function credentialOf(path: string, key: string, value: unknown): Credential | undefined {
  const entry = requireObject(path, `auths[${JSON.stringify(key)}]`, value);
  const text = (name: string): string => {
    const held = entry[name] ?? "";
    if (typeof held === "string") return held;
    throw refuse(path, `auths[${JSON.stringify(key)}].${name}`, "a string");
  };
  if (text("identitytoken") !== "") {
    const [username = ""] = Buffer.from(text("auth"), "base64").toString().split(":");
    const name = username === "" ? {} : { username };
    return { kind: "identity", token: text("identitytoken"), ...name, origin: path };
  }
  if (text("registrytoken") !== "") {
    return { kind: "bearer", token: text("registrytoken"), origin: path };
  }
  if (text("auth") === "") {
    const [username, password] = [text("username"), text("password")];
    return username === "" ? undefined : { kind: "basic", username, password, origin: path };
  }
  const decoded = Buffer.from(text("auth"), "base64").toString();
  const colon = decoded.indexOf(":");
  if (colon < 1) {
    throw refuse(path, `auths[${JSON.stringify(key)}].auth`, "USER:PASSWORD in base64");
  }
  // Old dockers padded the password with NULs.
  const password = decoded.slice(colon + 1).replace(/\0+$/, "");
  return { kind: "basic", username: decoded.slice(0, colon), password, origin: path };
}

/** It becomes a program's name: nothing in it may lead elsewhere. */
function helperName(path: string, value: unknown): string {
  if (typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value)) return value;
  throw refuse(path, "the credential helper's name", "letters, digits, . _ and -");
}

function section(path: string, file: JsonObject, name: "auths" | "credHelpers"): JsonObject {
  return requireObject(path, name, file[name] ?? {});
}

function requireObject(path: string, what: string, value: unknown): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw refuse(path, what, "a JSON object");
}

function refuse(path: string, what: string, expected: string): HbError {
  return new HbError(`Cannot read credentials in ${path}: ${what} should be ${expected}`);
}
