/**
 * `hb cp`, carried out: one helper packs, another extracts, and a pipe is between them. The one in
 * the container resolves its names there, the other works as the caller with plain paths.
 */

import { closeSync, lstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path/posix";
import {
  absolutePath,
  type Copy,
  type CopySource,
  type CopyTarget,
  decideCopy,
  nameOf,
} from "../container/copy-paths.ts";
import { HbError } from "../errors.ts";
import { spawnHelper } from "../helper/binary.ts";
import { createPipe } from "../host/libc.ts";
import { finishAll, lookInContainer, placeFlags } from "./files.ts";
import type { Known } from "./select.ts";

export interface CopyWishes {
  /** Owners are those of the source. */
  readonly archive: boolean;
  readonly followLink: boolean;
}

/** What was copied: the size of the archive in between, and what could not be. */
export interface Copied {
  readonly exitCode: number;
  readonly bytes: number;
  readonly skipped: number;
  readonly squashed: number;
}

const PIPE_BYTES = 1 << 20;
const STDIN = 0;
const STDOUT = 1;
/** As the kernel's MAXSYMLINKS. */
const LINKS_MAX = 40;

/** Copies; `doing` says what, in case it fails. */
export async function copy(
  known: Known,
  wanted: Copy,
  wishes: CopyWishes,
  doing: string,
): Promise<Copied> {
  return wanted.kind === "from"
    ? await copyFrom(known, wanted, wishes, doing)
    : await copyTo(known, wanted, wishes, doing);
}

async function copyFrom(
  known: Known,
  { from, to }: Copy,
  { archive, followLink }: CopyWishes,
  doing: string,
): Promise<Copied> {
  const seen = lookInContainer(known, from, doing);
  const isFollowed = followLink && seen.kind === "symlink";
  const kind = isFollowed ? seen.target : seen.kind;
  if (kind === "absent") throw new HbError(doing, { cause: noSuchFile(from) });
  const path = isFollowed ? seen.path : from;
  const source = { name: nameOf(from), isDirectory: kind === "directory" };
  const pack = ["pack", ...placeFlags(known), "--path", path];
  if (to === "-") {
    const packer = spawnHelper([...pack, "--as", source.name], { stdout: STDOUT });
    return { ...nothing, exitCode: await finishAll([packer], doing) };
  }
  const { as, directory } = decide(source, targetHere(to, doing), doing);
  const owners = archive && process.geteuid?.() === 0 ? ["--owners", "kept"] : [];
  const extract = ["extract", "--path", directory, ...owners];
  return await pipe([...pack, "--as", as, "--except", directory], extract, doing);
}

async function copyTo(
  known: Known,
  { from, to }: Copy,
  { archive, followLink }: CopyWishes,
  doing: string,
): Promise<Copied> {
  const seen = lookInContainer(known, to, doing);
  if (seen.target === "device") throw new HbError(doing, { cause: noFile(to) });
  const extract = ["extract", ...placeFlags(known), "--path"];
  if (from === "-") {
    if (seen.target !== "directory") {
      throw new HbError(doing, { cause: new HbError(`"${to}" is no directory in the container`) });
    }
    return await finishExtract([], [...extract, seen.path], STDIN, doing);
  }
  const { path, source } = sourceHere(from, followLink, doing);
  const is = { absent: "absent", directory: "directory" } as const;
  const kind = seen.target === "absent" || seen.target === "directory" ? is[seen.target] : "file";
  const { as, directory } = decide(source, { path: seen.path, kind }, doing);
  const owners = archive ? [] : ["--owners", "root"];
  // A copy of what the store is in would never end.
  const pack = ["pack", "--path", path, "--as", as, "--except", known.directory, ...owners];
  return await pipe(pack, [...extract, directory], doing);
}

function decide(source: CopySource, target: CopyTarget, doing: string) {
  try {
    return decideCopy(source, target);
  } catch (error) {
    throw new HbError(doing, { cause: error });
  }
}

/** What of this machine is to be copied, a link at its end followed where that is asked for. */
function sourceHere(
  from: string,
  followLink: boolean,
  doing: string,
): { readonly path: string; readonly source: CopySource } {
  const path = absolutePath(from, process.cwd());
  try {
    const real = followLink ? realpathSync(path) : path;
    const isDirectory = lstatSync(real).isDirectory();
    // A slash or a dot at the end of what is no directory: the kernel says so.
    if (followLink) statSync(path);
    return { path: real, source: { name: nameOf(path), isDirectory } };
  } catch (error) {
    throw new HbError(doing, { cause: isMissing(error) ? noSuchFile(from) : error });
  }
}

/** Where on this machine to copy to: the path with a link at its end followed. */
function targetHere(to: string, doing: string): CopyTarget {
  const asked = absolutePath(to, process.cwd());
  let path = asked;
  for (let links = 0; links <= LINKS_MAX; links++) {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) {
      const parent = dirname(path.replace(/\/\.?$/, ""));
      if (statSync(parent, { throwIfNoEntry: false })?.isDirectory())
        return { path, kind: "absent" };
      throw new HbError(doing, { cause: new HbError(`there is no directory "${parent}"`) });
    }
    if (stat.isDirectory()) return { path, kind: "directory" };
    if (stat.isFile()) return { path, kind: "file" };
    if (!stat.isSymbolicLink()) throw new HbError(doing, { cause: noFile(to) });
    path = resolve(realpathSync(dirname(path)), readlinkSync(path));
  }
  throw new HbError(doing, { cause: new HbError(`"${to}" has too many symbolic links`) });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function noSuchFile(path: string): HbError {
  return new HbError(`there is no "${path}"`);
}

function noFile(path: string): HbError {
  return new HbError(`"${path}" is neither a directory nor a regular file`);
}

const nothing = { exitCode: 0, bytes: 0, skipped: 0, squashed: 0 } as const;

/** Two helpers and the pipe between them. */
async function pipe(
  pack: readonly string[],
  extract: readonly string[],
  doing: string,
): Promise<Copied> {
  const { readFd, writeFd } = createPipe(PIPE_BYTES);
  let packer: Bun.Subprocess;
  try {
    packer = spawnHelper(pack, { stdout: writeFd });
  } catch (error) {
    closeSync(readFd);
    throw error;
  } finally {
    closeSync(writeFd);
  }
  try {
    return await finishExtract([packer], extract, readFd, doing);
  } finally {
    closeSync(readFd);
  }
}

/** Extracts what comes from `stdin`; the end of `others` is waited for as well. */
async function finishExtract(
  others: readonly Bun.Subprocess[],
  extract: readonly string[],
  stdin: number,
  doing: string,
): Promise<Copied> {
  const extractor = spawnHelper(extract, { stdin });
  const answer = new Response(extractor.stdout as ReadableStream<Uint8Array>).text();
  await finishAll([...others, extractor], doing);
  return { exitCode: 0, ...(JSON.parse(await answer) as Omit<Copied, "exitCode">) };
}
