/**
 * What the machine and the user say about registries: HB_MIRRORS and containers-registries.conf(5),
 * version 2. Read only; hb writes none of it.
 */

import { HbError } from "../errors.ts";
import { parseToml, type RegistriesPlace, readRegistriesFiles } from "../host/registries-files.ts";
import type { Mirror, RegistryRules, RegistryTable } from "./mirrors.ts";

type Table = Readonly<Record<string, unknown>>;

/** Everything that counts, later files over earlier ones; of the environment HB_MIRRORS, too. */
export function readRegistryRules(place: RegistriesPlace): RegistryRules {
  const files = readRegistriesFiles(place).map(({ path, text }) => {
    return parseRegistriesConf(text, path);
  });
  return {
    mirrors: parseMirrors(place.env.HB_MIRRORS ?? ""),
    tables: files.flatMap(({ tables }) => tables),
    searched: files.findLast(({ searched }) => searched !== undefined)?.searched ?? [],
  };
}

interface ConfFile extends Pick<RegistryRules, "tables"> {
  readonly searched: readonly string[] | undefined;
}

/** One file's settings; what hb has no use for is left unread. */
export function parseRegistriesConf(text: string, file: string): ConfFile {
  const value: Table = parseToml(text, file);
  const reader = new Reader(file);
  const searched = value["unqualified-search-registries"];
  return {
    tables: reader.tables(value.registry, "registry").map((table) => reader.registry(table)),
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
