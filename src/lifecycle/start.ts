/** A container that exists is started again, from what was written down when it was made. */

import { existsSync, rmSync } from "node:fs";
import type { Origin } from "../container/origin.ts";
import type { Detach } from "../container/plan.ts";
import { HbError } from "../errors.ts";
import { requireIntact } from "../obtain.ts";
import { takeTurn } from "../store/kept.ts";
import { layerPath, type StorePaths, within } from "../store/layout.ts";
import type { DirectoryLock } from "../store/lock.ts";
import { makeReady, type Ready } from "./begin.ts";
import { tryOwnContainer } from "./own.ts";
import { readPlan } from "./record.ts";
import { type Known, NoSuchContainer, nameOf } from "./select.ts";
import type { Site } from "./site.ts";
import { readState, setStateAside } from "./state.ts";

/** What carries a start out: it becomes the supervisor, or starts one. Its exit status. */
export type Launch = (ready: Ready) => number;

/** Starts the container, unless it runs already: undefined then, else what `launch` returned. */
export async function startContainer(
  site: Site,
  known: Known,
  detach: Detach,
  launch: Launch,
): Promise<number | undefined> {
  using turn = takeTurn(known.directory);
  const lock = tryOwnContainer(known);
  if (lock === "busy") {
    refusePaused(known);
    return undefined;
  }
  if (turn === undefined || lock === "missing") throw new NoSuchContainer(nameOf(known));
  try {
    return await startLocked(site, known, { detach, lock, launch });
  } finally {
    lock.release();
  }
}

interface Start {
  readonly detach: Detach;
  readonly lock: DirectoryLock;
  readonly launch: Launch;
}

async function startLocked(site: Site, known: Known, { detach, lock, launch }: Start) {
  const { origin } = readPlan(known).hb;
  if (origin === undefined) {
    throw new HbError(`Cannot start ${nameOf(known)}: it is not known what it was made from`);
  }
  refuseWithoutLayers(site.store, known, origin);
  await requireIntact(origin.image, origin.layers, site);
  const { id, directory, name } = known;
  const isTemporary = origin.options.rm === true;
  const named = name === undefined ? {} : { name, ...nameFileOf(site.store, name, isTemporary) };
  const container = { id, directory, keep: !isTemporary, lock: lock.fd, ...named };
  const ready = await makeReady(origin, { site, container, detach });
  try {
    setStateAside(known);
    // From here on it ends with its run (`hb create --rm`).
    if (isTemporary) rmSync(within(directory, "kept"), { force: true });
    return launch({ ...ready, keep: [...ready.keep, lock.handOver()] });
  } catch (error) {
    ready.giveBack();
    throw error;
  }
}

/** The supervisor unlinks the name of a container that is not kept. */
function nameFileOf(store: StorePaths, name: string, isTemporary: boolean) {
  return isTemporary ? { nameFile: within(within(store.root, "names"), name) } : {};
}

function refusePaused(known: Known): void {
  if (readState(known).status !== "paused") return;
  throw new HbError(`Cannot start ${nameOf(known)}: it is paused`, {
    hint: `let it go on with 'hb unpause ${nameOf(known)}'`,
  });
}

/** `hb rmi --force` takes an image from under the containers made of it. */
function refuseWithoutLayers(store: StorePaths, known: Known, origin: Origin): void {
  if (origin.layers.every((layer) => existsSync(layerPath(store, layer)))) return;
  throw new HbError(`Cannot start ${nameOf(known)}: its image ${origin.image} was removed`, {
    hint: `pull it again with 'hb pull ${origin.image}', or remove the container`,
  });
}
