/** `hb ps`: the containers there are. */

import { HbError } from "../errors.ts";
import type { PsOptions } from "../options/containers.ts";

/** Not built yet. */
export async function ps(_options: PsOptions): Promise<number> {
  throw new HbError("Cannot ps containers: this version of hb has not learned it");
}
