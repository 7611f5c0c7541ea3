/** `hb diff`: what a container has changed of its image. */

import { HbError } from "../errors.ts";
import { spawnHelper } from "../helper/binary.ts";
import { finishAll, placeFlags } from "../lifecycle/files.ts";
import { findContainer } from "../lifecycle/select.ts";
import type { DiffOptions } from "../options/containers.ts";
import { createStore, currentStore } from "../store/layout.ts";

const STDOUT = 1;

/** Lists the changes. */
export async function diff({ container }: DiffOptions): Promise<number> {
  if (container === "") throw new HbError("Cannot compare a container without a name");
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const known = findContainer(store, container);
  const helper = spawnHelper(["changes", ...placeFlags(known)], { stdout: STDOUT });
  return await finishAll([helper], `Cannot compare the container "${container}" with its image`);
}
