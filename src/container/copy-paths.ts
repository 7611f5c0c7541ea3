/**
 * What `hb cp SOURCE DESTINATION` means: docker's rules for paths, as values. Pure.
 *
 * docker's reference, "docker container cp", and where that leaves room its PrepareArchiveCopy: a
 * copy is an archive whose names begin with one name, extracted into one directory. Everything here
 * decides those two.
 */

import { normalize, resolve } from "node:path/posix";
import { HbError, UsageError } from "../errors.ts";

/** One argument: a path of this machine, or one in a container. */
export interface CopyPath {
  readonly container?: string;
  readonly path: string;
}

/** What is copied: `name` is what it is called in a directory it is copied into, or ".". */
export interface CopySource {
  readonly name: string;
  readonly isDirectory: boolean;
}

/** Where to: the path with a link at its end followed. */
export interface CopyTarget {
  readonly path: string;
  readonly kind: "absent" | "directory" | "file";
}

/** The archive's names begin with `as`, and it is extracted into `directory`. */
export interface CopyDecision {
  readonly as: string;
  readonly directory: string;
}

/** What is between which places; `-` is an archive on a standard stream. */
export type Copy =
  | {
      readonly kind: "from";
      readonly container: string;
      readonly from: string;
      readonly to: string;
    }
  | { readonly kind: "to"; readonly container: string; readonly from: string; readonly to: string };

/** Tells which way to copy. */
export function parseCopy(source: string, destination: string): Copy {
  if (source === "") throw new UsageError("Cannot copy: the source is empty", { exitCode: 1 });
  if (destination === "") {
    throw new UsageError("Cannot copy: the destination is empty", { exitCode: 1 });
  }
  const from = parseCopyPath(source);
  const to = parseCopyPath(destination);
  if (from.container !== undefined && to.container !== undefined) {
    throw new HbError("Cannot copy between containers", {
      hint: `use a pipe: hb cp ${source} - | hb cp - ${destination}`,
    });
  }
  if (from.container !== undefined) {
    return { kind: "from", container: from.container, from: from.path, to: to.path };
  }
  if (to.container !== undefined) {
    return { kind: "to", container: to.container, from: from.path, to: to.path };
  }
  throw new HbError(`Cannot copy "${source}" to "${destination}": neither is in a container`, {
    hint: "write CONTAINER:PATH for the one that is",
  });
}

/** `CONTAINER:PATH`, or a path of this machine: it begins with / or a dot, or has no colon. */
export function parseCopyPath(text: string): CopyPath {
  const colon = text.indexOf(":");
  if (text.startsWith("/") || text.startsWith(".") || colon < 1) return { path: text };
  const path = text.slice(colon + 1);
  if (path === "") {
    throw new HbError(`Cannot copy "${text}": there is no path after the colon`, {
      hint: `write ${text}/ for all of the container`,
    });
  }
  return { container: text.slice(0, colon), path: withEnding(normalize(`/${path}`), path) };
}

/** A path of this machine made absolute, its ending kept. */
export function absolutePath(path: string, workingDirectory: string): string {
  return withEnding(resolve(workingDirectory, path), path);
}

/** `clean` with the `/` or `/.` that `original` ends with: it says that a directory is meant. */
function withEnding(clean: string, original: string): string {
  const bare = clean.replace(/(?<=.)\/+$/, "");
  const slash = bare.endsWith("/") ? "" : "/";
  if (/(^|\/)\.$/.test(original)) return `${bare}${slash}.`;
  return original.endsWith("/") ? `${bare}${slash}` : bare;
}

/** What a path is called in the directory it is copied into: "." for its content alone. */
export function nameOf(path: string): string {
  if (/(^|\/)\.$/.test(path)) return ".";
  const { name } = split(path);
  return name === "" ? "." : name;
}

/** Where the archive goes, and what its names begin with. */
export function decideCopy(source: CopySource, target: CopyTarget): CopyDecision {
  if (target.kind === "directory") return { as: source.name, directory: target.path };
  if (target.kind === "file" && source.isDirectory) {
    throw new HbError("a directory cannot be copied onto a file");
  }
  if (!source.isDirectory && /\/\.?$/.test(target.path)) {
    throw new HbError(`there is no directory "${target.path}"`);
  }
  const { parent, name } = split(target.path);
  return { as: name, directory: parent };
}

/** The last part of a path, slashes at its end aside, and the directory it is in. */
function split(path: string): { readonly parent: string; readonly name: string } {
  const bare = path.replace(/\/+$/, "");
  const slash = bare.lastIndexOf("/");
  return { parent: bare.slice(0, slash + 1) || "/", name: bare.slice(slash + 1) };
}
