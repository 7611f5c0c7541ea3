/** Where credentials may be on this machine: variables and files, in the order they are asked. */

import { accessSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { HbError } from "../errors.ts";
import type { Credential } from "../registry/credential.ts";
import { type JsonObject, parseAuthFile } from "./auth-file.ts";

/** The caller's, as far as it matters here. */
export interface Surroundings {
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** One file of credentials that may exist. */
export interface AuthFilePlace {
  readonly path: string;
  /** The user named it: that it is missing is a mistake. */
  readonly isNamed: boolean;
}

/** Of this process. */
export function currentSurroundings(): Surroundings {
  return { uid: process.geteuid?.() ?? 0, env: process.env };
}

/**
 * $REGISTRY_AUTH_FILE; podman's two, of which the first is gone after a reboot; docker's.
 * containers-auth.json(5) and docker-login's "DOCKER_CONFIG".
 */
export function authFiles({ uid, env }: Surroundings): readonly AuthFilePlace[] {
  const named = env.REGISTRY_AUTH_FILE ?? "";
  const run = env.XDG_RUNTIME_DIR ?? "";
  const podman = run === "" ? ownRunFolder(uid) : join(run, "containers");
  const config = env.XDG_CONFIG_HOME ?? "";
  const home = env.HOME ?? "";
  const own = config === "" && home !== "" ? join(home, ".config") : config;
  const docker = dockerConfig({ uid, env });
  const paths = [
    ...(podman === undefined ? [] : [join(podman, "auth.json")]),
    ...(own === "" ? [] : [join(own, "containers", "auth.json")]),
    ...(docker === undefined ? [] : [docker]),
  ];
  const places = paths.map((path) => ({ path, isNamed: false }));
  return named === "" ? places : [{ path: named, isNamed: true }, ...places];
}

/** podman's place without a session. What is above it may be root's, and closed to others. */
function ownRunFolder(uid: number): string | undefined {
  const folder = `/run/containers/${uid}`;
  try {
    accessSync(folder);
    return folder;
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/** docker's config.json; undefined where there is no home to have one. */
export function dockerConfig({ env }: Surroundings): string | undefined {
  const folder = env.DOCKER_CONFIG ?? "";
  if (folder !== "") return join(folder, "config.json");
  const home = env.HOME ?? "";
  return home === "" ? undefined : join(home, ".docker", "config.json");
}

/** The file's content; undefined where there is none. */
export function readAuthFile(path: string): JsonObject | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "") throw error;
    throw new HbError(`Cannot read credentials in ${path}: ${code}`, {
      hint: "check whose file it is",
    });
  }
  return parseAuthFile(path, text);
}

/**
 * `HB_AUTH_<HOST>`'s name: `.` is `_`, `-` is `__`, and a port follows `___`. So no two hosts share
 * one: `my-reg.example` and `my.reg.example` may be different people's. Undefined for an IPv6
 * address, whose colons have no such form.
 */
export function hostVariable(registry: string): string | undefined {
  if (registry.startsWith("[")) return undefined;
  const host = registry.replaceAll("-", "__").replaceAll(".", "_").replace(":", "___");
  return `HB_AUTH_${host.toUpperCase()}`;
}

/** `USER:PASSWORD` in the host's variable. */
export function fromHostVariable(registry: string, { env }: Surroundings): Credential | undefined {
  const name = hostVariable(registry);
  const text = name === undefined ? "" : (env[name] ?? "");
  if (name === undefined || text === "") return undefined;
  const colon = text.indexOf(":");
  if (colon < 1) throw new HbError(`Cannot use ${name}: expected USER:PASSWORD`);
  const [username, password] = [text.slice(0, colon), text.slice(colon + 1)];
  return { kind: "basic", username, password, origin: name };
}

export const documentVariable = "HB_REGISTRY_AUTH";

/** An auth.json in a variable, for CI: every entry names its host, as in the file. */
export function fromDocumentVariable({ env }: Surroundings): JsonObject | undefined {
  const text = env[documentVariable] ?? "";
  if (text === "") return undefined;
  if (text.trimStart().startsWith("{")) return parseAuthFile(documentVariable, text);
  throw new HbError(`Cannot use ${documentVariable}: expected what an auth.json has`, {
    hint: 'write {"auths":{"HOST":{"username":"…","password":"…"}}}, or use HB_AUTH_<HOST>',
  });
}
