/** `hb export`: a container's files as a tar. */

import { spawnHelper } from "../helper/binary.ts";
import { finishAll, placeFlags } from "../lifecycle/files.ts";
import { findContainer, type Known } from "../lifecycle/select.ts";
import type { ExportOptions } from "../options/containers.ts";
import { refuseTerminal, withSink } from "../output/sink.ts";
import { createStore, currentStore } from "../store/layout.ts";

/** Writes all of a container's own files to standard output, or to a file. */
export async function exportContainer({ container, output }: ExportOptions): Promise<number> {
  const hint = `write it to a file: hb export -o FILE.tar ${container}`;
  refuseTerminal({ output, hint });
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const known = findContainer(store, container);
  const doing = `Cannot export the container "${container}"`;
  return await withSink({ output, doing, hint }, (fd) => packInto(known, fd, doing));
}

async function packInto(known: Known, stdout: number, doing: string): Promise<number> {
  const all = ["--path", "/", "--as", "", "--mounts", "excluded"];
  const helper = spawnHelper(["pack", ...placeFlags(known), ...all], { stdout });
  return await finishAll([helper], doing);
}
