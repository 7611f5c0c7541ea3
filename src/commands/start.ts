/** `hb start`: containers that were created or have ended, started again. */

import { HbError } from "../errors.ts";
import type { StartOptions } from "../options/containers.ts";

/** Not built yet. */
export async function start(_options: StartOptions): Promise<number> {
  throw new HbError("Cannot start containers: this version of hb has not learned it");
}
