/** `hb clean`: another name for `hb prune`. */

import type { PruneOptions } from "../options.ts";
import { pruneAndReport } from "./pruning.ts";

/** Removes what nothing needs. */
export async function clean(options: PruneOptions): Promise<number> {
  return pruneAndReport(options);
}
