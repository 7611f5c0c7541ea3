/** `hb restart`: containers are stopped, if they run, and started. */

import { HbError } from "../errors.ts";
import { launchDetached } from "../helper/launch.ts";
import { AlreadySaid, onEach } from "../lifecycle/each.ts";
import { stopContainer } from "../lifecycle/end.ts";
import { nameOf } from "../lifecycle/select.ts";
import { openSite } from "../lifecycle/site.ts";
import { startContainer } from "../lifecycle/start.ts";
import type { StopOptions } from "../options/containers.ts";
import { isKept } from "../store/sweep.ts";

/** Restarts one after the other. */
export async function restart(options: StopOptions): Promise<number> {
  const site = await openSite();
  return onEach(site.store, options.containers, { together: false }, async (known, text) => {
    if (!isKept(site.store, known.id)) {
      throw new HbError(`Cannot restart ${nameOf(known)}: it is removed at its end (--rm)`);
    }
    await stopContainer(known, options);
    const status = await startContainer(site, known, { print: text }, ({ plan, keep }) =>
      launchDetached(plan, keep),
    );
    if (status === undefined) return "its name"; // somebody else was faster
    if (status === 0) return undefined;
    throw new AlreadySaid(`Cannot start ${nameOf(known)}`);
  });
}
