/**
 * Logins written down and forgotten: files of mode 0600, there whole or not at all, and helpers
 * where a file wants one.
 *
 * A login goes where hb, podman, skopeo and docker all look: to $REGISTRY_AUTH_FILE if that is set,
 * else to docker's config.json, which podman reads as well and which outlives a reboot. Only where
 * a file that is read earlier has an entry for the same registry is that one replaced, since it
 * would win.
 */

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { HbError } from "../errors.ts";
import { LOCK_EX, waitFlock } from "../host/libc.ts";
import {
  entryOf,
  helperOf,
  type JsonObject,
  type LoginSecrets,
  ownKey,
  serverKey,
  targetsOf,
  withEntry,
} from "./auth-file.ts";
import { eraseFromHelper, storeInHelper } from "./helper.ts";
import { authFiles, dockerConfig, readAuthFile, type Surroundings } from "./places.ts";

/** Who logs in to `target`: a registry, or a repository's prefix on one. */
export interface Login extends LoginSecrets {
  readonly target: string;
}

/** Keeps `login`; returns the file, or undefined when a helper has it. */
export async function keepLogin(login: Login, place: Surroundings): Promise<string | undefined> {
  const { target } = login;
  const path = keepingFile(target, place);
  const file = readAuthFile(path) ?? {};
  const helper = helperOf(path, file, target);
  if (helper === undefined) {
    changeFile(path, (now) => withEntry(path, now, target, entryOf(login)));
    return path;
  }
  if (target.includes("/")) {
    throw new HbError(`Cannot keep a login for ${target} with docker-credential-${helper}`, {
      hint: `log in to ${target.split("/")[0]}: helpers know registries only`,
    });
  }
  await storeInHelper(helper, serverKey(target), login);
  // As docker does: who is logged in can be seen in the file, and a password there would be stale.
  changeFile(path, (now) => withEntry(path, now, target, {}));
  return undefined;
}

/** Forgets the login for `target` everywhere it may be; whether there was one. */
export async function forgetLogin(target: string, place: Surroundings): Promise<boolean> {
  let isKnown = false;
  for (const { path } of authFiles(place)) {
    const file = readAuthFile(path);
    if (file === undefined) continue;
    const helper = helperOf(path, file, target);
    const hasEntry = ownKey(path, file, "auths", target) !== undefined;
    const isOwnHelper = ownKey(path, file, "credHelpers", target) !== undefined;
    if (helper !== undefined && !target.includes("/") && (hasEntry || isOwnHelper)) {
      await eraseFromHelper(helper, serverKey(target));
      isKnown = true;
    }
    if (!hasEntry) continue;
    changeFile(path, (now) => withEntry(path, now, target, undefined));
    isKnown = true;
  }
  return isKnown;
}

/** The registries and prefixes that files have logins for. */
export function knownTargets(place: Surroundings): readonly string[] {
  const targets = authFiles(place).flatMap(({ path }) => {
    const file = readAuthFile(path);
    return file === undefined ? [] : targetsOf(path, file);
  });
  return [...new Set(targets)];
}

function keepingFile(target: string, place: Surroundings): string {
  const named = authFiles(place).find(({ isNamed }) => isNamed);
  if (named !== undefined) return named.path;
  const holder = authFiles(place).find(({ path }) => {
    const file = readAuthFile(path);
    return file !== undefined && ownKey(path, file, "auths", target) !== undefined;
  });
  const path = holder?.path ?? dockerConfig(place);
  if (path !== undefined) return path;
  throw new HbError("Cannot keep a login: HOME is not set", {
    hint: "set it, or name a file in REGISTRY_AUTH_FILE",
  });
}

/** Reads, changes and replaces the file while nobody else does. */
function changeFile(path: string, change: (file: JsonObject) => JsonObject): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const folder = openSync(dirname(path), "r");
    try {
      waitFlock(folder, LOCK_EX);
      replaceFile(realPath(path), change(readAuthFile(path) ?? {}));
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    if (error instanceof HbError || !(error instanceof Error && "code" in error)) throw error;
    throw new HbError(`Cannot write ${path}: ${String(error.code)}`, {
      hint: "check whose folder it is, or name another file in REGISTRY_AUTH_FILE",
    });
  }
}

function replaceFile(path: string, file: JsonObject): void {
  const staged = join(dirname(path), `.hb-${crypto.randomUUID()}`);
  try {
    const fd = openSync(staged, "wx", 0o600);
    try {
      writeFileSync(fd, `${JSON.stringify(file, undefined, "\t")}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(staged, path);
  } catch (error) {
    rmSync(staged, { force: true });
    throw error;
  }
}

/** A link to a file kept elsewhere stays one. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return path;
    throw error;
  }
}
