/**
 * `hb run`: a new container, in the foreground or detached. Returns only by failing; else this
 * process becomes the container's supervisor.
 */

import { checkName } from "../container/labels.ts";
import { launch } from "../helper/launch.ts";
import { makeReady, originOf } from "../lifecycle/begin.ts";
import { attachedStreams, outlives, showOnly, writeCidFile } from "../lifecycle/manner.ts";
import { openSite } from "../lifecycle/site.ts";
import type { RunOptions } from "../options/containers.ts";
import { printStatus } from "../output.ts";
import { newContainerId } from "../store/id.ts";
import { containerPath } from "../store/layout.ts";

/** Runs the container; the exit status is the container's, by way of execve. */
export async function run(asked: RunOptions): Promise<number> {
  const streams = attachedStreams(asked);
  const keep = outlives(asked, asked.detach);
  if (asked.name !== undefined) checkName(asked.name);
  const interactive = asked.interactive && streams?.includes("stdin") !== false;
  const options = { ...asked, interactive };
  const site = await openSite();
  const id = newContainerId();
  const name = options.name === undefined ? {} : { name: options.name };
  const detach = options.detach ? { detach: { print: id } } : {};
  const wanted = { id, directory: containerPath(site.store, id), keep, ...name };
  const origin = await originOf(options, { site, container: wanted, ...detach });
  // What nobody can name and nobody will look for has its directory from the supervisor alone.
  const place =
    keep || options.detach || options.name !== undefined
      ? (await import("../lifecycle/place.ts")).takePlace(site.store, wanted)
      : undefined;
  const container = place?.container ?? wanted;
  try {
    const ready = await makeReady(origin, { site, container, ...detach });
    try {
      place?.settle(ready.plan);
      writeCidFile(options.cidfile, id);
      // Who detaches asks for them when they are needed (`hb port`).
      if (!options.detach) {
        for (const port of ready.chosen) printStatus(`hb: published ${port}`);
      }
      if (streams !== undefined) showOnly(streams);
      return launch(ready.plan, [...ready.keep, ...(place?.keep ?? [])]);
    } catch (error) {
      ready.giveBack();
      throw error;
    }
  } catch (error) {
    place?.discard();
    throw error;
  }
}
