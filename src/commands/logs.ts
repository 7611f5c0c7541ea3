/** `hb logs`: what a container has written. */

import { HbError } from "../errors.ts";
import type { LogsOptions } from "../options/containers.ts";

/** Not built yet. */
export async function logs(_options: LogsOptions): Promise<number> {
  throw new HbError("Cannot logs containers: this version of hb has not learned it");
}
