/** `hb rm`: containers removed. */

import { HbError } from "../errors.ts";
import type { RmOptions } from "../options/containers.ts";

/** Not built yet. */
export async function rm(_options: RmOptions): Promise<number> {
  throw new HbError("Cannot rm containers: this version of hb has not learned it");
}
