/** `hb cp`: files out of and into containers. */

import { HbError } from "../errors.ts";
import type { CpOptions } from "../options/containers.ts";

/** Not built yet. */
export async function cp(_options: CpOptions): Promise<number> {
  throw new HbError("Cannot cp containers: this version of hb has not learned it");
}
