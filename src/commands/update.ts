/** `hb update`: other limits for containers. */

import { HbError } from "../errors.ts";
import type { UpdateOptions } from "../options/containers.ts";

/** Not built yet. */
export async function update(_options: UpdateOptions): Promise<number> {
  throw new HbError("Cannot update containers: this version of hb has not learned it");
}
