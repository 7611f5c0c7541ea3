/** `hb port`: the published ports of a container. */

import { HbError } from "../errors.ts";
import type { PortOptions } from "../options/containers.ts";

/** Not built yet. */
export async function port(_options: PortOptions): Promise<number> {
  throw new HbError("Cannot port containers: this version of hb has not learned it");
}
