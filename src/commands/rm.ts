/** `hb rm`: containers for good, with their writable layers, logs and names. */

import { helperMapFlags } from "../host/identity.ts";
import { onEach } from "../lifecycle/each.ts";
import { removeContainer } from "../lifecycle/end.ts";
import { listKnown } from "../lifecycle/select.ts";
import { openSite } from "../lifecycle/site.ts";
import type { RmOptions } from "../options/containers.ts";

/** Removes each; with `--force` also what runs, and what is not there is no failure. */
export async function rm({ all, force, time, containers }: RmOptions): Promise<number> {
  const { store, identity } = await openSite();
  const removal = {
    mapFlags: helperMapFlags(identity),
    force,
    ...(time === undefined ? {} : { time }),
  };
  const everyone = all ? listKnown(store).map(({ id }) => id) : [];
  const manner = { together: force, mayBeMissing: force };
  return onEach(store, [...new Set([...containers, ...everyone])], manner, async (known) => {
    await removeContainer(store, known, removal);
    return "its name";
  });
}
