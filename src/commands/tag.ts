/** `hb tag`: one more name for an image. */

import { HbError } from "../errors.ts";
import { currentIdentity, helperMapFlags } from "../host/identity.ts";
import { parseName } from "../host/short-names.ts";
import { familiarName } from "../image/reference.ts";
import type { TagOptions } from "../options/images.ts";
import { createStore, currentStore, storeError } from "../store/layout.ts";
import { selectImages } from "../store/select.ts";
import { nameImages } from "../store/tag.ts";

/** Gives every platform of the source that is here the new name; who had that name loses it. */
export async function tag({ source, target }: TagOptions): Promise<number> {
  const reference = parseName(target);
  if (reference.digest !== undefined) {
    throw new HbError(`Cannot tag ${familiarName(reference)}: a name with a digest is no choice`, {
      hint: "write REPOSITORY[:TAG]",
    });
  }
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const { images } = selectImages(store, source);
  if (images.length === 0) {
    throw new HbError(`No such image: ${source}`, { hint: "see 'hb images', or pull it first" });
  }
  try {
    nameImages(store, images, reference, helperMapFlags(currentIdentity()));
  } catch (error) {
    throw new HbError(`Cannot tag ${familiarName(reference)}`, {
      cause: error instanceof HbError ? error : storeError(store, error),
    });
  }
  return 0;
}
