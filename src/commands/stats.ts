/** `hb stats`: what containers use. */

import { HbError } from "../errors.ts";
import type { StatsOptions } from "../options/containers.ts";

/** Not built yet. */
export async function stats(_options: StatsOptions): Promise<number> {
  throw new HbError("Cannot stats containers: this version of hb has not learned it");
}
