/** `hb prune`: ended containers, layers no image has, garbage; `--all`: images, too. */

import type { PruneOptions } from "../options.ts";
import { pruneAndReport } from "./pruning.ts";

/** Removes what nothing needs. */
export async function prune(options: PruneOptions): Promise<number> {
  return pruneAndReport(options);
}
