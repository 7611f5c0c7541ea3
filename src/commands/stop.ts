/** `hb stop`: the stop signal, then SIGKILL. */

import { HbError } from "../errors.ts";
import type { StopOptions } from "../options/containers.ts";

/** Not built yet. */
export async function stop(_options: StopOptions): Promise<number> {
  throw new HbError("Cannot stop containers: this version of hb has not learned it");
}
