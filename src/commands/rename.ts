/** `hb rename`: another name for a container. */

import { HbError } from "../errors.ts";
import type { RenameOptions } from "../options/containers.ts";

/** Not built yet. */
export async function rename(_options: RenameOptions): Promise<number> {
  throw new HbError("Cannot rename containers: this version of hb has not learned it");
}
