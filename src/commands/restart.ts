/** `hb restart`: containers stopped and started again. */

import { HbError } from "../errors.ts";
import type { StopOptions } from "../options/containers.ts";

/** Not built yet. */
export async function restart(_options: StopOptions): Promise<number> {
  throw new HbError("Cannot restart containers: this version of hb has not learned it");
}
