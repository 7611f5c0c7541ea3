/** `hb export`: a container's files as a tar. */

import { closeSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { HbError } from "../errors.ts";
import { spawnHelper } from "../helper/binary.ts";
import { finishAll, placeFlags } from "../lifecycle/files.ts";
import { findContainer, type Known } from "../lifecycle/select.ts";
import type { ExportOptions } from "../options/containers.ts";
import { createStore, currentStore } from "../store/layout.ts";

const STDOUT = 1;

/** Writes all of a container's own files to standard output, or to a file. */
export async function exportContainer({ container, output }: ExportOptions): Promise<number> {
  if (output === undefined && process.stdout.isTTY) {
    throw new HbError("Cannot write an archive to a terminal", {
      hint: `write it to a file: hb export -o FILE.tar ${container}`,
    });
  }
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const known = findContainer(store, container);
  const doing = `Cannot export the container "${container}"`;
  if (output === undefined) return await packInto(known, STDOUT, doing);
  return await packIntoFile(known, output, doing);
}

async function packInto(known: Known, stdout: number, doing: string): Promise<number> {
  const all = ["--path", "/", "--as", "", "--mounts", "excluded"];
  const helper = spawnHelper(["pack", ...placeFlags(known), ...all], { stdout });
  return await finishAll([helper], doing);
}

/** The file is there whole or as it was before; a device or pipe is written as it comes. */
async function packIntoFile(known: Known, output: string, doing: string): Promise<number> {
  const place = placeOf(output, doing);
  const path = place === "plain" ? `${output}.${process.pid}.tmp` : output;
  const fd = open(path, place === "plain" ? "wx" : "w", doing);
  try {
    const exitCode = await packInto(known, fd, doing);
    if (place === "plain") renameSync(path, output);
    return exitCode;
  } catch (error) {
    if (place === "plain") rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

function placeOf(output: string, doing: string): "plain" | "special" {
  const stat = statSync(output, { throwIfNoEntry: false });
  if (stat?.isDirectory()) {
    throw new HbError(doing, { cause: new HbError(`"${output}" is a directory`) });
  }
  return stat === undefined || stat.isFile() ? "plain" : "special";
}

function open(path: string, flags: string, doing: string): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw new HbError(doing, { cause: error });
  }
}
