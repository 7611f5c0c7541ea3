/** `hb export`: a container's files as a tar. */

import { HbError } from "../errors.ts";
import type { ExportOptions } from "../options/containers.ts";

/** Not built yet. */
export async function exportContainer(_options: ExportOptions): Promise<number> {
  throw new HbError("Cannot export containers: this version of hb has not learned it");
}
