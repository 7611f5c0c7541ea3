/** `hb attach`: a running container's streams. */

import { HbError } from "../errors.ts";
import type { AttachOptions } from "../options/containers.ts";

/** Not built yet. */
export async function attach(_options: AttachOptions): Promise<number> {
  throw new HbError("Cannot attach containers: this version of hb has not learned it");
}
