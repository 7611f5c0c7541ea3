/**
 * Where an image really comes from: mirrors first, then the place its name says or is rewritten to.
 * Pure; `registries-conf.ts` reads what is decided by here. containers-registries.conf(5).
 */

import { HbError } from "../errors.ts";
import {
  familiarName,
  formatReference,
  parseReference,
  type Reference,
} from "../image/reference.ts";

/** A host and a repository that should have the image. */
export interface Location {
  /** `host[:port]` as in a reference. */
  readonly registry: string;
  readonly repository: string;
  /** Plain HTTP and unverified certificates are taken. */
  readonly insecure: boolean;
  /** Its failure is none: the next one is asked. */
  readonly isMirror: boolean;
}

/** One `[[registry]]` table. */
export interface RegistryTable {
  /** `*.host`, or the beginning of canonical names. */
  readonly prefix: string;
  /** What replaces the prefix; "" leaves the name as it is. */
  readonly location: string;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly Mirror[];
  /** The file it is from, for messages. */
  readonly file: string;
}

/** One `[[registry.mirror]]` table. */
export interface Mirror {
  readonly location: string;
  readonly insecure: boolean;
  readonly pullFromMirror: "all" | "digest-only" | "tag-only";
}

/** What was configured about registries. */
export interface RegistryRules {
  /** Of HB_MIRRORS: asked before those of `tables`. */
  readonly mirrors: readonly { readonly prefix: string; readonly mirror: Mirror }[];
  readonly tables: readonly RegistryTable[];
  /** Hosts that podman would search. */
  readonly searched: readonly string[];
}

/** Where `reference` is fetched from, in order: mirrors, then exactly one that is none. */
export function endpointsFor(reference: Reference, rules: RegistryRules): readonly Location[] {
  const name = formatReference(reference);
  const table = longest(rules.tables, name);
  if (table?.blocked) {
    throw new HbError(`Cannot pull ${familiarName(reference)}: it is blocked`, {
      hint: `${table.file} has blocked = true for ${table.prefix}`,
    });
  }
  const own = rules.mirrors.flatMap(({ prefix, mirror }) => {
    const length = matchLength(prefix, name);
    return length === 0 ? [] : [{ mirror, length, source: "HB_MIRRORS" }];
  });
  const length = table === undefined ? 0 : matchLength(table.prefix, name);
  const theirs = (table?.mirrors ?? []).map((mirror) => {
    return { mirror, length, source: table?.file ?? "" };
  });
  const skipped = reference.digest === undefined ? "digest-only" : "tag-only";
  const mirrors = [...own, ...theirs]
    .filter(({ mirror }) => mirror.pullFromMirror !== skipped)
    .map(({ mirror, length: cut, source }) => ({
      ...locate(mirror.location + name.slice(cut), source),
      insecure: mirror.insecure,
      isMirror: true,
    }));
  const { registry, repository } = reference;
  const isRewritten = table !== undefined && table.location !== "";
  const origin = isRewritten
    ? locate(table.location + name.slice(length), table.file)
    : { registry, repository };
  return [...mirrors, { ...origin, insecure: table?.insecure ?? false, isMirror: false }];
}

/** What to say when Docker Hub does not have a short name that others would look for elsewhere. */
export function shortNameHint(reference: Reference, rules: RegistryRules): string | undefined {
  const { registry, repository, tag, digest } = reference;
  if (registry !== "docker.io") return undefined;
  const short = repository.replace(/^library\//, "");
  const suffix = (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`);
  const elsewhere = rules.searched.filter((host) => host !== "docker.io");
  if (elsewhere.length === 0) return undefined;
  const names = elsewhere.map((host) => `${host}/${short}${suffix}`);
  return `short names are Docker Hub's; write another registry's in full: ${names.join(" or ")}`;
}

/** The table with the longest matching prefix; the last of equals, as a later file overrides. */
function longest(tables: readonly RegistryTable[], name: string): RegistryTable | undefined {
  let best: RegistryTable | undefined;
  for (const table of tables) {
    if (matchLength(table.prefix, name) === 0) continue;
    if (best === undefined || table.prefix.length >= best.prefix.length) best = table;
  }
  return best;
}

/** How much of `name` the prefix stands for; 0 if it does not match. */
function matchLength(prefix: string, name: string): number {
  if (prefix.startsWith("*.")) {
    const host = name.slice(0, name.indexOf("/"));
    return host.endsWith(prefix.slice(1)) ? host.length : 0;
  }
  const next = name.charAt(prefix.length);
  // "example.com" is no prefix of "example.com.evil.test".
  return name.startsWith(prefix) && ["", "/", ":", "@"].includes(next) ? prefix.length : 0;
}

function locate(text: string, source: string): Pick<Location, "registry" | "repository"> {
  const { registry, repository } = parseReference(text);
  const host = text.slice(0, text.indexOf("/")).toLowerCase();
  // Without a dot or a port the first name is no host, and the image would come from Docker Hub.
  if (registry !== "docker.io" || host.endsWith("docker.io")) return { registry, repository };
  throw new HbError(`Cannot use "${host}" of ${source} as a registry: it looks like a name`, {
    hint: `write HOST:PORT, for example ${host}:443`,
  });
}
