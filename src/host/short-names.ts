/**
 * What a name on the command line means on this machine: `[aliases]` of
 * containers-registries.conf(5) give names without a registry a meaning; one that has none there is
 * Docker Hub's.
 *
 * Every run comes by here: a name with a registry costs nothing, and a file is parsed only where
 * the name is in it as a key.
 */

import { HbError } from "../errors.ts";
import {
  formatReference,
  parseReference,
  parseRepository,
  type Reference,
  splitName,
} from "../image/reference.ts";
import { parseToml, type RegistriesPlace, readRegistriesFiles } from "./registries-files.ts";

/** The bare name of the image that is embedded in hb: no alias makes another of it. */
export const embeddedName = "hello";

/** A short name's meaning, and the file that gives it. */
export interface Alias {
  /** With a registry, without tag and digest. */
  readonly target: string;
  readonly file: string;
}

/** `text` as the reference it means. */
export function parseName(text: string, place?: RegistriesPlace): Reference {
  return parseReference(expand(text, place));
}

/** `text` as the repository it means: a tag or a digest in it is refused. */
export function parseRepositoryName(text: string): Reference {
  return parseRepository(expand(text));
}

/**
 * What `text` may mean among images that are here: its alias first, then Docker Hub's name, by
 * which images are listed.
 */
export function localMeanings(text: string): readonly Reference[] {
  const [meant, plain] = [parseName(text), parseReference(text)];
  return formatReference(meant) === formatReference(plain) ? [plain] : [meant, plain];
}

/** Says so where `text` means something else than it does elsewhere. */
export function tellAlias(text: string, notice: (line: string) => void): void {
  const alias = findAlias(text);
  const [meant] = localMeanings(text);
  if (alias === undefined || meant === undefined) return;
  if (formatReference(meant) === formatReference(parseReference(text))) return;
  notice(`"${text}" is ${formatReference(meant)} by an alias in ${alias.file}`);
}

function expand(text: string, place?: RegistriesPlace): string {
  const alias = findAlias(text, place);
  return alias === undefined ? text : alias.target + text.slice(nameOf(text).length);
}

/** The last file that says something decides; an empty target takes an alias back. */
function findAlias(text: string, place: RegistriesPlace = { env: process.env }): Alias | undefined {
  const name = nameOf(text);
  const isName = /^[a-z0-9][a-z0-9._/-]*$/.test(name);
  if (text === embeddedName || !isName || splitName(name).registry !== undefined) return undefined;
  const key = new RegExp(`["'\\s{,.]${name.replaceAll(".", "\\.")}["']?\\s*=`);
  let found: Alias | undefined;
  for (const { path, text: content } of readRegistriesFiles(place)) {
    if (!key.test(`\n${content}`)) continue;
    const target = targetIn(parseToml(content, path), name, path);
    if (target !== undefined) found = { target, file: path };
  }
  return found?.target === "" ? undefined : found;
}

/** What stands before tag and digest. */
function nameOf(text: string): string {
  const [name = ""] = text.split("@");
  const colon = name.indexOf(":", name.lastIndexOf("/") + 1);
  return colon < 0 ? name : name.slice(0, colon);
}

function targetIn(
  { aliases = {} }: Readonly<Record<string, unknown>>,
  name: string,
  file: string,
): string | undefined {
  if (typeof aliases !== "object" || aliases === null || !Object.hasOwn(aliases, name)) {
    return undefined;
  }
  const target: unknown = Reflect.get(aliases, name);
  const isName = typeof target === "string" && nameOf(target) === target;
  // As podman: the alias of an alias would have it depend on the order of files.
  if (target === "" || (isName && splitName(target).registry !== undefined)) return target;
  throw new HbError(`Cannot read ${file}: alias "${name}" is no name with a registry`, {
    hint: `write "${name}" = "registry.example/${name}", without a tag`,
  });
}
