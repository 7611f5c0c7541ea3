/** `hb pause`: containers frozen, and thawed. */

import { HbError } from "../errors.ts";
import type { ContainersOptions } from "../options/containers.ts";

/** Not built yet. */
export async function pause(_options: ContainersOptions): Promise<number> {
  throw new HbError("Cannot pause containers: this version of hb has not learned it");
}

/** Not built yet. */
export async function unpause(_options: ContainersOptions): Promise<number> {
  throw new HbError("Cannot unpause containers: this version of hb has not learned it");
}
