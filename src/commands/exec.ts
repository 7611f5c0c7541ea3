/** `hb exec`: a command in a running container. */

import { HbError } from "../errors.ts";
import type { ExecOptions } from "../options/containers.ts";

/** Not built yet. */
export async function exec(_options: ExecOptions): Promise<number> {
  throw new HbError("Cannot exec containers: this version of hb has not learned it");
}
