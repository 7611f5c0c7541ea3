/** Where containers-registries.conf(5) is on this machine. Read only; hb writes none of it. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { HbError } from "../errors.ts";

export interface RegistriesPlace {
  /** CONTAINERS_REGISTRIES_CONF and HOME count. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Replaces the root of absolute paths; for tests. */
  readonly root?: string | undefined;
}

/** The text of every file there is, later ones over earlier ones. */
export function readRegistriesFiles(
  place: RegistriesPlace,
): readonly { readonly path: string; readonly text: string }[] {
  return configFiles(place).flatMap((path) => {
    const text = read(path);
    return text === undefined ? [] : [{ path, text }];
  });
}

/** A file's settings. */
export function parseToml(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    return { ...Bun.TOML.parse(text) };
  } catch (error) {
    throw new HbError(`Cannot read ${path}: it is not TOML`, {
      cause: error instanceof Error ? error.message : error,
      hint: "correct it, or remove it",
    });
  }
}

/** The user's main file replaces the machine's; drop-ins of both add to it (registries.conf.d). */
function configFiles({ env, root = "/" }: RegistriesPlace): string[] {
  const system = join(root, "etc/containers");
  const user = env.HOME?.startsWith("/") ? join(env.HOME, ".config/containers") : undefined;
  const own = user === undefined ? undefined : join(user, "registries.conf");
  const chosen = env.CONTAINERS_REGISTRIES_CONF;
  const main = [
    ...(chosen !== undefined && chosen !== "" ? [chosen] : []),
    ...(own !== undefined && read(own) !== undefined ? [own] : []),
    join(system, "registries.conf"),
  ].slice(0, 1);
  const parents = user === undefined ? [system] : [system, user];
  const dropIns = parents.flatMap((parent) => {
    const directory = join(parent, "registries.conf.d");
    return list(directory).map((name) => join(directory, name));
  });
  return [...main, ...dropIns];
}

/** Undefined if there is no such file. */
function read(path: string): string | undefined {
  return present(path, () => readFileSync(path, "utf8"));
}

/** The drop-ins of a directory in the order of their names. */
function list(directory: string): string[] {
  const names = present(directory, () => readdirSync(directory)) ?? [];
  return names.filter((name) => name.endsWith(".conf")).sort();
}

function present<T>(path: string, use: () => T): T | undefined {
  try {
    return use();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (["ENOENT", "ENOTDIR"].includes(code)) return undefined;
    // It may block a registry: not to know what it says is no reason to go on.
    throw new HbError(`Cannot read ${path}: ${code}`, { cause: error });
  }
}
