/** `hb top`: the processes of a container. */

import { HbError } from "../errors.ts";
import type { TopOptions } from "../options/containers.ts";

/** Not built yet. */
export async function top(_options: TopOptions): Promise<number> {
  throw new HbError("Cannot top containers: this version of hb has not learned it");
}
