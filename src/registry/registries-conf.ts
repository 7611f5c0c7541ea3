/**
 * What the machine and the user say about registries: HB_MIRRORS and containers-registries.conf(5),
 * version 2. Read only; hb writes none of it.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { HbError } from "../errors.ts";
import type { Mirror, RegistryRules, RegistryTable } from "./mirrors.ts";

type Table = Readonly<Record<string, unknown>>;

export interface RulesSources {
  /** HB_MIRRORS, CONTAINERS_REGISTRIES_CONF and HOME count. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Replaces the root of absolute paths; for tests. */
  readonly root?: string | undefined;
}

/** Everything that counts, later files over earlier ones. */
export function readRegistryRules({ env, root = "/" }: RulesSources): RegistryRules {
  const files = configFiles(env, root).flatMap((path) => {
    const text = read(path);
    return text === undefined ? [] : [parseRegistriesConf(text, path)];
  });
  return {
    mirrors: parseMirrors(env.HB_MIRRORS ?? ""),
    tables: files.flatMap(({ tables }) => tables),
    aliases: Object.assign({}, ...files.map(({ aliases }) => aliases)),
    searched: files.findLast(({ searched }) => searched !== undefined)?.searched ?? [],
  };
}

/** The user's main file replaces the machine's; drop-ins of both add to it (registries.conf.d). */
function configFiles(env: RulesSources["env"], root: string): string[] {
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

interface ConfFile extends Pick<RegistryRules, "tables" | "aliases"> {
  readonly searched: readonly string[] | undefined;
}

/** One file's settings; what hb has no use for is left unread. */
export function parseRegistriesConf(text: string, file: string): ConfFile {
  let value: Table;
  try {
    value = { ...Bun.TOML.parse(text) };
  } catch (error) {
    throw new HbError(`Cannot read ${file}: it is not TOML`, {
      cause: error instanceof Error ? error.message : error,
      hint: "correct it, or remove it",
    });
  }
  const reader = new Reader(file);
  const searched = value["unqualified-search-registries"];
  const aliases = Object.entries(reader.table(value.aliases, "aliases"));
  return {
    tables: reader.tables(value.registry, "registry").map((table) => reader.registry(table)),
    aliases: Object.fromEntries(
      aliases.map(([name, target]) => [name, reader.text(target, `alias ${name}`)]),
    ),
    searched: Array.isArray(searched)
      ? searched.filter((host) => typeof host === "string")
      : undefined,
  };
}

/** Values of a file with the types they must have: a misread `blocked` would be worse than none. */
class Reader {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  registry(table: Table): RegistryTable {
    const location = this.#location(table.location);
    const prefix = this.#location(table.prefix) || location;
    if (prefix === "") throw this.#refuse("a [[registry]] has neither prefix nor location");
    if (/\*/.test(prefix.replace(/^\*\.(?=[^/:@]+$)/, ""))) {
      throw this.#refuse(`prefix "${prefix}" has a * that does not stand for subdomains`);
    }
    const byDigest = this.#flag(table["mirror-by-digest-only"], "mirror-by-digest-only");
    return {
      prefix,
      location,
      insecure: this.#flag(table.insecure, "insecure"),
      blocked: this.#flag(table.blocked, "blocked"),
      mirrors: this.tables(table.mirror, "registry.mirror").map((mirror) =>
        this.#mirror(mirror, byDigest),
      ),
      file: this.#file,
    };
  }

  #mirror(table: Table, byDigest: boolean): Mirror {
    const location = this.#location(table.location);
    if (location === "") throw this.#refuse("a [[registry.mirror]] has no location");
    const wanted = this.text(table["pull-from-mirror"], "pull-from-mirror") || "all";
    if (wanted !== "all" && wanted !== "digest-only" && wanted !== "tag-only") {
      throw this.#refuse(`pull-from-mirror "${wanted}" is not all, digest-only or tag-only`);
    }
    const pullFromMirror = byDigest ? "digest-only" : wanted;
    return { location, insecure: this.#flag(table.insecure, "insecure"), pullFromMirror };
  }

  #location(value: unknown): string {
    const text = this.text(value, "a location or prefix").replace(/\/+$/, "");
    if (!/:\/\/|\s/.test(text)) return text;
    throw this.#refuse(`location "${text}" must be HOST[:PORT][/PATH]`);
  }

  /** "" where there is none. */
  text(value: unknown, name: string): string {
    if (value === undefined) return "";
    if (typeof value === "string") return value;
    throw this.#refuse(`${name} is not a text`);
  }

  #flag(value: unknown, name: string): boolean {
    if (value === undefined) return false;
    if (typeof value === "boolean") return value;
    throw this.#refuse(`${name} is neither true nor false`);
  }

  table(value: unknown, name: string): Table {
    if (value === undefined) return {};
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
    throw this.#refuse(`${name} is not a table`);
  }

  tables(value: unknown, name: string): Table[] {
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw this.#refuse(`write [[${name}]], with two brackets`);
    return value.map((each) => this.table(each, name));
  }

  #refuse(why: string): HbError {
    return new HbError(`Cannot read ${this.#file}: ${why}`, { hint: "correct it, or remove it" });
  }
}

/** `docker.io=mirror.example:5000,ghcr.io/org=http://cache:80/ghcr`; a prefix may have several. */
export function parseMirrors(text: string): RegistryRules["mirrors"] {
  const entries = text.split(",").filter((entry) => entry.trim() !== "");
  return entries.map((entry) => {
    const [, prefix, scheme, location] =
      /^\s*([^=\s]+)=(?:(https?):\/\/)?([^=\s/][^=\s]*?)\/?\s*$/.exec(entry) ?? [];
    if (prefix === undefined || location === undefined || location.includes("://")) {
      throw new HbError(`Cannot read HB_MIRRORS: "${entry.trim()}" names no mirror`, {
        hint: "write HB_MIRRORS=docker.io=mirror.example:5000, more of them after commas",
      });
    }
    const insecure = scheme === "http";
    return { prefix, mirror: { location, insecure, pullFromMirror: "all" } };
  });
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
