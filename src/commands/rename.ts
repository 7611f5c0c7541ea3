/** `hb rename`: another name for a container, whether it runs or not. */

import { closeSync } from "node:fs";
import { checkName } from "../container/labels.ts";
import { HbError } from "../errors.ts";
import { recordEvent } from "../lifecycle/events.ts";
import { imageOf } from "../lifecycle/record.ts";
import { findContainer } from "../lifecycle/select.ts";
import type { RenameOptions } from "../options/containers.ts";
import { currentStore } from "../store/layout.ts";
import { claimName, releaseNames } from "../store/names.ts";

/** Takes the new name before it gives the old one up. */
export async function rename({ container, name }: RenameOptions): Promise<number> {
  checkName(name);
  const store = currentStore();
  const known = findContainer(store, container);
  if (known.name === name) {
    throw new HbError("Renaming a container with the same name as its current name");
  }
  // The container's own lock, or that it is kept, keeps the name from here on.
  closeSync(claimName(store, name, known.id).fd);
  releaseNames(store, known.id, name);
  const attributes = { oldName: known.name ?? "" };
  recordEvent(store, {
    action: "rename",
    known: { ...known, name },
    image: imageOf(known),
    attributes,
  });
  return 0;
}
