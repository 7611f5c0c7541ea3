/** `hb stop`: containers are asked to end, and killed when they do not. */

import { onEach } from "../lifecycle/each.ts";
import { stopContainer } from "../lifecycle/end.ts";
import type { StopOptions } from "../options/containers.ts";
import { currentStore } from "../store/layout.ts";

/** Stops all at once: each has its own time. */
export async function stop(options: StopOptions): Promise<number> {
  return onEach(currentStore(), options.containers, { together: true }, async (known) => {
    await stopContainer(known, options);
    return "its name";
  });
}
