/**
 * References: what a user types to name an image. Docker's grammar and normalisation
 * (distribution/reference), so that every name docker takes means the same here:
 *
 *     reference  = name [ ":" tag ] [ "@" digest ]
 *     name       = [ registry "/" ] repository
 *     registry   = host [ ":" port ]
 *     host       = label *( "." label ) / "[" IPv6 "]"
 *     label      = alnum-any-case, with "-" inside
 *     repository = component *( "/" component )            at most 255 characters
 *     component  = alnum *( separator alnum )              lower case
 *     separator  = "." / "_" / "__" / 1*"-"
 *     tag        = ( alnum / "_" ) *127( alnum / "_" / "." / "-" )
 *     digest     = "sha256:" 64hex / "sha512:" 128hex
 *
 * The first component is a registry if it has a "." or ":" or is `localhost`; otherwise the
 * registry is docker.io, and a repository of one component there gains `library/`. Docker also
 * takes `Upper/name` for a host "Upper", which its authors call a mistake; here it is refused.
 */

import { HbError } from "../errors.ts";
import { isIPv6 } from "../ip.ts";
import { type Digest, digestDefect, isDigest } from "./digest.ts";

/** Canonical: the registry in lower case and always present, `library/` spelled out. */
export interface Reference {
  /** `host[:port]`; Docker Hub is `docker.io`. */
  readonly registry: string;
  readonly repository: string;
  /** Absent only when there is a digest. */
  readonly tag?: string;
  readonly digest?: Digest;
}

const hub = "docker.io";
const hubAliases = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);
const repositoryLengthMax = 255;
const tagLengthMax = 128;

const labelPattern = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i;
const componentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

/** `text` as a canonical reference; without tag and digest it means `latest`. */
export function parseReference(text: string): Reference {
  const at = text.indexOf("@");
  const name = at < 0 ? text : text.slice(0, at);
  const digest = at < 0 ? undefined : text.slice(at + 1);
  rejectWhole(text, name);

  const split = splitName(name);
  const colon = split.rest.indexOf(":");
  const path = colon < 0 ? split.rest : split.rest.slice(0, colon);
  const tag = colon < 0 ? undefined : split.rest.slice(colon + 1);

  const registry = split.registry === undefined ? hub : checkRegistry(text, split.registry);
  const repository = registry === hub && !path.includes("/") ? `library/${path}` : path;
  checkRepository(text, path, repository);
  if (tag !== undefined) checkTag(text, tag);
  if (digest !== undefined) {
    if (!isDigest(digest)) throw refuse(text, `invalid digest: ${digestDefect(digest)}`);
    return tag === undefined
      ? { registry, repository, digest }
      : { registry, repository, tag, digest };
  }
  return { registry, repository, tag: tag ?? "latest" };
}

/** `text` as a repository, every tag of it meant: a tag or a digest in it is refused. */
export function parseRepository(text: string): Reference {
  const reference = parseReference(text);
  if (!/[:@]/.test(text.slice(text.lastIndexOf("/") + 1))) return reference;
  throw refuse(text, "a repository is meant", "leave the tag or digest out");
}

/** Whether a registry could have a tag of this name. */
export function isTag(text: string): boolean {
  return text.length <= tagLengthMax && tagPattern.test(text);
}

/** The canonical form: `docker.io/library/alpine:latest`. */
export function formatReference(reference: Reference): string {
  return `${reference.registry}/${reference.repository}${suffix(reference)}`;
}

/** The short form people type, where it means the same: `alpine:latest`, `user/app:1`. */
export function familiarName(reference: Reference): string {
  const { registry, repository } = reference;
  const parts = repository.split("/");
  const [first = "", second = ""] = parts;
  if (registry === hub && first === "library" && parts.length === 2)
    return second + suffix(reference);
  // docker.io/localhost/x shortened would name another registry.
  const isShort = registry === hub && !(first === "localhost" || first.includes("."));
  return isShort && parts.length > 1 ? repository + suffix(reference) : formatReference(reference);
}

/** What an image goes by that nobody gave a name. */
export function namelessReference(digest: Digest): Reference {
  return { registry: "localhost", repository: "none", digest };
}

/** The registry's own part of a request path: the digest where there is one, else the tag. */
export function referenceTarget(reference: Reference): string {
  return reference.digest ?? reference.tag ?? "latest";
}

function suffix({ tag, digest }: Reference): string {
  return (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`);
}

/** The registry is what stands before the first slash, if it looks like one. */
export function splitName(name: string): { readonly registry?: string; readonly rest: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isRegistry = first.toLowerCase() === "localhost" || /[.:]/.test(first);
  return isRegistry ? { registry: first, rest: name.slice(slash + 1) } : { rest: name };
}

/** Refuses what is wrong as a whole, before any part can be blamed. */
function rejectWhole(text: string, name: string): void {
  if (text === "") throw refuse(text, "it is empty");
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0];
  if (scheme !== undefined) {
    throw refuse(text, `a reference has no ${scheme}`, `write ${text.slice(scheme.length, 200)}`);
  }
  const strange = /[^A-Za-z0-9._:/@[\]-]/u.exec(text)?.[0];
  if (strange !== undefined) {
    const shown = strange === " " ? "a space" : JSON.stringify(strange);
    throw refuse(text, `${shown} cannot be part of a reference`);
  }
  if (name === "" || /^\[[^/]*$/.test(name)) throw refuse(text, "the repository is missing");
  if (/^[0-9a-f]{64}$/.test(text)) {
    throw refuse(text, "64 hex digits are a digest, not a repository", "write NAME@sha256:HEX");
  }
}

function checkRegistry(text: string, registry: string): string {
  const bracket = /^\[([^\]]*)\](?::(.*))?$/.exec(registry);
  const colon = registry.indexOf(":");
  const host = bracket?.[1] ?? (colon < 0 ? registry : registry.slice(0, colon));
  const port = bracket === null ? (colon < 0 ? undefined : registry.slice(colon + 1)) : bracket[2];
  if (bracket !== null) {
    if (!isIPv6(host)) throw refuse(text, `registry "[${host}]" is no IPv6 address`);
  } else if (host.length > 253 || !host.split(".").every((label) => labelPattern.test(label))) {
    throw refuse(text, `registry "${host}" is no host name`);
  }
  if (
    port !== undefined &&
    !(/^[0-9]{1,5}$/.test(port) && Number(port) >= 1 && Number(port) < 65536)
  ) {
    throw refuse(
      text,
      `port "${port}" of registry "${host}" is not a number from 1 to 65535`,
      "write a tag after the last name: HOST/NAME:TAG",
    );
  }
  const lower = registry.toLowerCase();
  return hubAliases.has(lower) ? hub : lower;
}

/** `path` is what the user wrote, for messages; `repository` what the registry will be asked. */
function checkRepository(text: string, path: string, repository: string): void {
  if (path === "") throw refuse(text, "the repository is missing");
  for (const component of path.split("/")) {
    if (component === "") throw refuse(text, "the repository has an empty component");
    if (componentPattern.test(component)) continue;
    if (component !== component.toLowerCase()) {
      throw refuse(text, `repository must be lower case, got "${component}"`);
    }
    throw refuse(
      text,
      `repository component "${component}" must be letters and digits joined by . _ __ or -`,
    );
  }
  if (repository.length > repositoryLengthMax) {
    throw refuse(text, `repository is longer than ${repositoryLengthMax} characters`);
  }
}

function checkTag(text: string, tag: string): void {
  if (tag === "") throw refuse(text, "the tag after the colon is empty");
  if (tag.length > tagLengthMax) {
    throw refuse(text, `invalid tag: longer than ${tagLengthMax} characters`);
  }
  if (!tagPattern.test(tag)) {
    throw refuse(
      text,
      `invalid tag "${tag}": expected letters, digits, _ . and -, not starting with . or -`,
    );
  }
}

function refuse(text: string, why: string, hint?: string): HbError {
  const shown = text.length > 300 ? `${text.slice(0, 300)}…` : text;
  return new HbError(
    `Cannot parse reference ${JSON.stringify(shown)}: ${why}`,
    hint === undefined ? {} : { hint },
  );
}
