/** `hb diff`: what a container has changed of its image. */

import { HbError } from "../errors.ts";
import type { DiffOptions } from "../options/containers.ts";

/** Not built yet. */
export async function diff(_options: DiffOptions): Promise<number> {
  throw new HbError("Cannot diff containers: this version of hb has not learned it");
}
