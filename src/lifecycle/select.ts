/**
 * Which container a user's word means: its name, its id, or the beginning of its id.
 *
 * There is a container where there is a directory in the store that is kept or that somebody holds
 * the lock of; any other directory is what a killed process left, and the next sweep takes it.
 */

import { readdirSync, readFileSync } from "node:fs";
import { HbError } from "../errors.ts";
import { containerPath, type StorePath, type StorePaths, within } from "../store/layout.ts";
import { isHeld } from "../store/lock.ts";
import { isKept, listContainers } from "../store/sweep.ts";

/** A container that exists. */
export interface Known {
  readonly id: string;
  readonly directory: StorePath;
  /** `--name`, or the name it was given instead. */
  readonly name?: string;
}

/** There is none, or none any more. docker's words. */
export class NoSuchContainer extends HbError {
  constructor(text: string) {
    super(`No such container: ${text}`, { hint: "see 'hb ps -a'", exitCode: 1 });
  }
}

/** What a container is called in messages. */
export function nameOf({ id, name }: Known): string {
  return name ?? id.slice(0, 12);
}

/** The container `text` names; a container's whole id comes first, then names, as in docker. */
export function findContainer(store: StorePaths, text: string): Known {
  const found = findOptional(store, text);
  if (found !== undefined) return found;
  throw new NoSuchContainer(text);
}

/** The same, where there may be none; several are an error all the same. */
export function findOptional(store: StorePaths, text: string): Known | undefined {
  const names = namesById(store);
  const ids = listContainers(store);
  const named = [...names].find(([, name]) => name === text.replace(/^\//, ""))?.[0];
  const exact = ids.find((id) => id === text) ?? named;
  const known = exact === undefined ? undefined : knownOf(store, exact, names);
  if (known !== undefined) return known;
  const begun = /^[0-9a-f]{1,64}$/.test(text) ? ids.filter((id) => id.startsWith(text)) : [];
  const [found, other] = begun.flatMap((id) => knownOf(store, id, names) ?? []);
  if (other === undefined) return found;
  throw new HbError(`Several containers have ids that begin with ${text}`, {
    hint: "write more of it, see 'hb ps -a --no-trunc'",
  });
}

/** Every container of the store, in no particular order. */
export function listKnown(store: StorePaths): Known[] {
  const names = namesById(store);
  return listContainers(store).flatMap((id) => knownOf(store, id, names) ?? []);
}

function knownOf(store: StorePaths, id: string, names: Names): Known | undefined {
  const directory = containerPath(store, id);
  if (!isKept(store, id) && !isHeld(directory)) return undefined;
  const name = names.get(id);
  return name === undefined ? { id, directory } : { id, directory, name };
}

type Names = ReadonlyMap<string, string>;

/** Every name, by the id of the container that has it. */
function namesById(store: StorePaths): Names {
  const directory = within(store.root, "names");
  const names = new Map<string, string>();
  for (const name of orNothing(() => readdirSync(directory)) ?? []) {
    const id = orNothing(() => readFileSync(within(directory, name), "latin1"));
    if (id !== undefined && /^[0-9a-f]{64}$/.test(id)) names.set(id, name);
  }
  return names;
}

/** There may be no names yet, and one may go while we look. */
function orNothing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
