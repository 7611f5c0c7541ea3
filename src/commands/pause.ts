/** `hb pause` and `hb unpause`: containers frozen, and thawed. */

import { HbError } from "../errors.ts";
import { onEach } from "../lifecycle/each.ts";
import { recordEvent } from "../lifecycle/events.ts";
import { freeze, thaw } from "../lifecycle/freezer.ts";
import { isFrozen } from "../lifecycle/live-cgroup.ts";
import { imageOf } from "../lifecycle/record.ts";
import { type Known, nameOf } from "../lifecycle/select.ts";
import { settled } from "../lifecycle/settle.ts";
import { requireRunning } from "../lifecycle/state.ts";
import type { ContainersOptions } from "../options/containers.ts";
import { currentStore } from "../store/layout.ts";

/** Stops every process of the containers where it is. */
export async function pause({ containers }: ContainersOptions): Promise<number> {
  return await eachRunning(containers, "pause", async (container) => {
    if (isFrozen(container)) {
      throw new HbError(`Cannot pause ${nameOf(container)}: it is paused already`);
    }
    await freeze(container);
  });
}

/** Lets them go on. */
export async function unpause({ containers }: ContainersOptions): Promise<number> {
  return await eachRunning(containers, "unpause", async (container) => {
    if (!isFrozen(container)) {
      throw new HbError(`Cannot unpause ${nameOf(container)}: it is not paused`);
    }
    thaw(container);
  });
}

async function eachRunning(
  containers: readonly string[],
  action: "pause" | "unpause",
  act: (container: ReturnType<typeof requireRunning>) => Promise<void>,
): Promise<number> {
  const store = currentStore();
  return await onEach(store, containers, { together: false }, async (known: Known) => {
    await act(requireRunning(await settled(known), `${action} ${nameOf(known)}`));
    recordEvent(store, { action, known, image: imageOf(known) });
    return "its name";
  });
}
