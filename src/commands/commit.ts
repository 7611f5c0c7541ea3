/** `hb commit`: an image of what a container has made of its own. */

import { writeFileSync } from "node:fs";
import { type BaseImage, baseOfLayers, commitImage, findBase } from "../archive/commit.ts";
import type { Origin } from "../container/origin.ts";
import { HbError } from "../errors.ts";
import { currentIdentity } from "../host/identity.ts";
import { interruptible } from "../host/interrupt.ts";
import { parseName } from "../host/short-names.ts";
import { applyChanges } from "../image/change.ts";
import { hostPlatform } from "../image/platform.ts";
import { familiarName, namelessReference } from "../image/reference.ts";
import { committedConfig } from "../lifecycle/commit-config.ts";
import { recordEvent } from "../lifecycle/events.ts";
import { imageOf, readPlan } from "../lifecycle/record.ts";
import { findContainer, nameOf } from "../lifecycle/select.ts";
import { settled } from "../lifecycle/settle.ts";
import { writtenLayer } from "../lifecycle/written.ts";
import type { CommitOptions } from "../options/images.ts";
import { silentProgress } from "../output/progress.ts";
import { printResult } from "../output.ts";
import { pullImage } from "../pull.ts";
import { HeldLayers } from "../store/layers.ts";
import { createStore, currentStore, type StorePaths } from "../store/layout.ts";

/** Makes the image and prints its id, as docker does. */
export async function commit(options: CommitOptions): Promise<number> {
  const name = options.reference === undefined ? undefined : parseName(options.reference);
  if (name?.digest !== undefined) {
    throw new HbError(`Cannot commit to ${familiarName(name)}: a name with a digest is no choice`, {
      hint: "write REPOSITORY[:TAG]",
    });
  }
  applyChanges({}, options.change); // what is wrong with them is said before anything is done
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const known = await settled(findContainer(store, options.container));
  const plan = readPlan(known);
  const doing = `Cannot commit the container "${nameOf(known)}"`;
  const { author, message, pause, quiet } = options;
  await interruptible(async (signal) => {
    // Whoever removes container and image meanwhile leaves what the new image stands on.
    using held = new HeldLayers(store);
    const base = baseOf(store, plan.hb.origin, held, doing);
    const config = committedConfig(plan);
    const { Cmd } = config;
    using layer = await writtenLayer({ store, known, pause, signal, doing });
    const made = commitImage(base, layer, {
      config: applyChanges(config, options.change),
      createdBy: Array.isArray(Cmd) ? Cmd.join(" ") : "",
      created: new Date(),
      ...(author === undefined ? {} : { author }),
      ...(message === undefined ? {} : { comment: message }),
    });
    const host = hostPlatform(process.arch);
    const platform = base.platform.architecture === host.architecture ? host : base.platform;
    const settings = { store, identity: currentIdentity(), platform, tlsVerify: true, signal };
    const { registry } = made;
    // Nothing is pulled: there is no progress to show, only notices.
    const job = { ...settings, registry, quiet, progress: silentProgress, verb: "commit" as const };
    const { record } = await pullImage(name ?? namelessReference(made.manifest), job);
    if (options.iidfile !== undefined) writeFileSync(options.iidfile, record.config);
    recordEvent(store, { action: "commit", known, image: imageOf(known) });
    printResult(record.config);
  });
  return 0;
}

function baseOf(
  store: StorePaths,
  origin: Origin | undefined,
  held: HeldLayers,
  doing: string,
): BaseImage {
  if (origin === undefined || origin.imageId === "") {
    throw new HbError(`${doing}: it is a directory of its own, with no image beneath it`, {
      hint: "make an image of its files: hb export CONTAINER | hb import -",
    });
  }
  if (!held.holdAll(origin.layers)) {
    throw new HbError(`${doing}: a layer of its image is missing`, {
      hint: "repair it with 'hb check --repair'",
    });
  }
  const { layers } = origin;
  return findBase(store, origin.imageId) ?? baseOfLayers(store, layers, hostPlatform(process.arch));
}
