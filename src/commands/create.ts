/** `hb create`: a container that is made and not started. */

import { checkName } from "../container/labels.ts";
import { originOf, planUnconnected } from "../lifecycle/begin.ts";
import { outlives, writeCidFile } from "../lifecycle/manner.ts";
import { takePlace } from "../lifecycle/place.ts";
import { openSite } from "../lifecycle/site.ts";
import type { CreateOptions } from "../options/containers.ts";
import { printResult } from "../output.ts";
import { newContainerId } from "../store/id.ts";
import { containerPath } from "../store/layout.ts";

/** Makes the container and prints its id; all that can be wrong with its flags is said now. */
export async function create(options: CreateOptions): Promise<number> {
  outlives(options, true);
  if (options.name !== undefined) checkName(options.name);
  const site = await openSite();
  const id = newContainerId();
  const name = options.name === undefined ? {} : { name: options.name };
  const wanted = { id, directory: containerPath(site.store, id), keep: true, ...name };
  const origin = await originOf(options, { site, container: wanted });
  const place = takePlace(site.store, wanted);
  try {
    const { lock: _, ...container } = place.container;
    place.settle(await planUnconnected(origin, { site, container }));
    writeCidFile(options.cidfile, id);
  } catch (error) {
    place.discard();
    throw error;
  }
  printResult(id);
  return 0;
}
