/** Room for what is too large for memory: files without a name, gone with their descriptor. */

import { openSync, rmSync } from "node:fs";
import { type StorePaths, within } from "./layout.ts";

/** A new empty file on the store's disk, to read and write. The caller closes it. */
export function openScratch(store: StorePaths): number {
  const path = within(store.tmp, `scratch-${crypto.randomUUID()}`);
  const fd = openSync(path, "wx+", 0o600);
  rmSync(path);
  return fd;
}
