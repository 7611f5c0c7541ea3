/**
 * Layers that may have lost data. Nothing of a layer is synced when it is unpacked: as long as the
 * machine runs the page cache has it. So each has a link `boot` that names the boot it was unpacked
 * in, a link because its target is written with its inode and cannot be cut off; the first use in
 * a later boot compares the layer with its recipe (intact.ts) and takes the link away.
 */

import { readlinkSync, rmSync } from "node:fs";
import { bootId } from "../host/boot.ts";
import { layerPath, type StorePaths, within } from "./layout.ts";

/** Those of the layers that are of an earlier boot and were not compared since. */
export function unsettledLayers(store: StorePaths, names: readonly string[]): string[] {
  let now: string | undefined;
  return names.filter((name) => {
    const boot = bootOf(store, name);
    if (boot === undefined) return false;
    now ??= bootId();
    return boot !== now;
  });
}

/** The boot the layer is known to be whole in; undefined: in any. */
export function bootOf(store: StorePaths, name: string): string | undefined {
  try {
    return readlinkSync(within(layerPath(store, name), "boot"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** The layer is whole on the disk. In a store that cannot be written it is compared each time. */
export function settleLayer(store: StorePaths, name: string): void {
  if (!unsettledLayers(store, [name]).includes(name)) return;
  try {
    rmSync(within(layerPath(store, name), "boot"), { force: true });
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["EROFS", "EACCES", "EPERM"].includes(code)) throw error;
  }
}
