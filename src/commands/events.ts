/** `hb events`: what happens to containers. */

import { HbError } from "../errors.ts";
import type { EventsOptions } from "../options/containers.ts";

/** Not built yet. */
export async function events(_options: EventsOptions): Promise<number> {
  throw new HbError("Cannot events containers: this version of hb has not learned it");
}
