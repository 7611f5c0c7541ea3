/** `hb create`: a container that is made and not started. */

import { HbError } from "../errors.ts";
import type { CreateOptions } from "../options/containers.ts";

/** Not built yet. */
export async function create(_options: CreateOptions): Promise<number> {
  throw new HbError("Cannot create containers: this version of hb has not learned it");
}
