/** `hb start`: containers that were made or have ended run again. */

import { parseDetachKeys } from "../container/detach-keys.ts";
import type { Attach } from "../container/plan.ts";
import { UsageError } from "../errors.ts";
import { launch, launchDetached } from "../helper/launch.ts";
import { AlreadySaid, onEach } from "../lifecycle/each.ts";
import { findContainer, nameOf } from "../lifecycle/select.ts";
import { openSite, type Site } from "../lifecycle/site.ts";
import { startContainer } from "../lifecycle/start.ts";
import type { StartOptions } from "../options/containers.ts";
import { printStatus } from "../output.ts";

/** Starts each; with `--attach` the one, whose exit status is then hb's. */
export async function start(options: StartOptions): Promise<number> {
  const attaches = options.attach || options.interactive;
  if (attaches && options.containers.length > 1) {
    throw new UsageError("you cannot start and attach multiple containers at once", {
      exitCode: 1,
    });
  }
  const site = await openSite();
  if (attaches) return startAttached(site, options);
  return onEach(site.store, options.containers, { together: false }, async (known, text) => {
    const status = await startContainer(site, known, { print: text }, ({ plan, keep, chosen }) => {
      for (const port of chosen) printStatus(`hb: published ${port}`);
      return launchDetached(plan, keep);
    });
    if (status === undefined) return "its name";
    if (status === 0) return undefined;
    throw new AlreadySaid(`Cannot start ${nameOf(known)}`);
  });
}

async function startAttached(site: Site, options: StartOptions): Promise<number> {
  const [text = ""] = options.containers;
  const known = findContainer(site.store, text);
  const attach: Attach = {
    stdin: options.interactive,
    output: true,
    sigProxy: options.sigProxy,
    detachKeys: parseDetachKeys(options.detachKeys),
  };
  const status = await startContainer(site, known, { print: "", attach }, ({ plan, keep }) =>
    launch(plan, keep),
  );
  return status ?? 0;
}
