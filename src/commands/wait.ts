/** `hb wait`: until containers have ended, or are what `--condition` says. */

import { onEach } from "../lifecycle/each.ts";
import { parseCondition, waitFor } from "../lifecycle/wait.ts";
import type { WaitOptions } from "../options/containers.ts";
import { currentStore } from "../store/layout.ts";

/** Prints each container's exit code, as docker does. */
export async function wait({ containers, condition }: WaitOptions): Promise<number> {
  const wanted = parseCondition(condition);
  const store = currentStore();
  return onEach(store, containers, { together: true }, async (known) =>
    String(await waitFor(store, known, wanted)),
  );
}
