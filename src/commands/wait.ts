/** `hb wait`: the end of containers, or another condition. */

import { HbError } from "../errors.ts";
import type { WaitOptions } from "../options/containers.ts";

/** Not built yet. */
export async function wait(_options: WaitOptions): Promise<number> {
  throw new HbError("Cannot wait containers: this version of hb has not learned it");
}
