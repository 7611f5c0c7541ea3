/** `hb kill`: a signal to containers. */

import { HbError } from "../errors.ts";
import type { KillOptions } from "../options/containers.ts";

/** Not built yet. */
export async function kill(_options: KillOptions): Promise<number> {
  throw new HbError("Cannot kill containers: this version of hb has not learned it");
}
