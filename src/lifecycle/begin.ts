/**
 * The way from what was asked for to a container that can be started: `run`, `create`, `start` and
 * `restart` share it.
 *
 *   options ─originOf▶ origin (the image pulled) ─makeReady▶ network granted, plan ─▶ launch
 *
 * A start later goes the second half again, from the origin that was written down: what the machine
 * is like, which ids and ports there are, is decided anew each time.
 */

import { realpathSync } from "node:fs";
import { bareImage, convert, type RootChoice } from "../container/convert.ts";
import { chooseHostname } from "../container/etc.ts";
import type { HostFacts } from "../container/facts.ts";
import { chooseLife } from "../container/life.ts";
import { decideNetwork, type NetworkChoice } from "../container/network.ts";
import { factsFor, frozen, type Origin } from "../container/origin.ts";
import type { ContainerDirectory, Detach, Plan } from "../container/plan.ts";
import { seccompFor } from "../container/seccomp.ts";
import { HbError } from "../errors.ts";
import { checkArchitecture } from "../image/architecture.ts";
import { type GrantedNetwork, grantNetwork } from "../network/grant.ts";
import { obtainImage } from "../obtain.ts";
import type { CreateOptions } from "../options/containers.ts";
import { printNotice } from "../output.ts";
import { layerTrees, type StorePaths, within } from "../store/layout.ts";
import type { Site } from "./site.ts";

/** A container about to be made or started, and how. */
export interface Beginning {
  readonly site: Site;
  readonly container: ContainerDirectory;
  /** Absent: in the foreground. */
  readonly detach?: Detach;
}

/** What can be launched, and what it holds until a supervisor has it. */
export interface Ready {
  readonly plan: Plan;
  /** Descriptors the supervisor inherits. */
  readonly keep: readonly number[];
  /** The random ports that were chosen. */
  readonly chosen: readonly string[];
  /** Undoes the grant: the container will not be. */
  readonly giveBack: () => void;
}

/** What a new container is made of. What is wrong with its flags is said before any pull. */
export async function originOf(asked: CreateOptions, beginning: Beginning): Promise<Origin> {
  // What is written down must not hold a password.
  const { creds: _, ...options } = asked;
  const { store, identity, facts } = beginning.site;
  const { keep } = beginning.container;
  const image = options.image ?? options.rootfs ?? "";
  const createdAt = new Date().toISOString();
  const bare = { image, imageId: "", createdAt, layers: [], options, config: bareImage };
  if (options.rootfs !== undefined) return keep ? frozen(bare, facts) : bare;
  const dryRun = async () => {
    await planUnconnected(bare, beginning);
  };
  const places = { store, identity, beforePull: dryRun };
  const obtained = await obtainImage({ ...asked, image }, places);
  checkArchitecture(obtained.name, obtained.config.platform, facts);
  const { config, layers } = obtained.record;
  const origin = {
    ...bare,
    imageId: config,
    layers: layers.toReversed(),
    config: obtained.config.config,
  };
  return keep ? frozen(origin, facts) : origin;
}

/** The container with a network of its own and all else it needs. */
export async function makeReady(origin: Origin, beginning: Beginning): Promise<Ready> {
  const { container, site } = beginning;
  const facts = factsFor(origin, site.facts);
  const { options, config } = origin;
  const intent = decideNetwork(options, config.ExposedPorts, facts);
  const { id, name } = container;
  const hostname = chooseHostname(options, id, facts);
  const own = { id, hostname, ...(name === undefined ? {} : { name }) };
  const { store } = site;
  const findRunning = async (text: string, doing: string) => {
    const [{ findOptional }, { settled }, { requireRunning }] = await Promise.all([
      import("./select.ts"),
      import("./settle.ts"),
      import("./state.ts"),
    ]);
    const known = findOptional(store, text);
    if (known === undefined) throw new HbError(`Cannot ${doing}: No such container`);
    return requireRunning(await settled(known), doing).pid;
  };
  const request = { intent, wishes: options, facts, store, container: own, findRunning };
  const granted = await grantNetwork(request);
  try {
    for (const notice of granted.notices) printNotice(notice);
    const plan = planOf(origin, beginning, facts, granted.choice);
    const keep = [...granted.keep, ...(await holdBorrowed(plan, store))];
    return plan.linux.resources === undefined
      ? { ...granted, keep, plan }
      : await withCgroup(plan, options.cgroupParent, { ...granted, keep });
  } catch (error) {
    granted.giveBack();
    throw error;
  }
}

/** Layers of other stores: the helper locks them there, and the supervisor inherits those here. */
async function holdBorrowed({ hb: { overlay } }: Plan, store: StorePaths): Promise<number[]> {
  const trees = overlay?.lowerdirs.filter((tree) => !tree.startsWith(`${store.layers}/`)) ?? [];
  if (trees.length === 0) return [];
  return (await import("../store/elsewhere.ts")).holdLinks(store, trees);
}

/** The container's limits are held from its first moment on. */
async function withCgroup(plan: Plan, parent: string | undefined, granted: GrantedNetwork) {
  const [{ grantCgroup }, { removeCgroup }] = await Promise.all([
    import("./cgroup.ts"),
    import("./cgroup-sweep.ts"),
  ]);
  const limited = await grantCgroup(plan, parent);
  const giveBack = () => {
    granted.giveBack();
    removeCgroup(limited.hb.cgroup);
  };
  return { ...granted, plan: limited, giveBack };
}

/** The plan of a container that is not started now: all of it but network and cgroup. */
export async function planUnconnected(origin: Origin, beginning: Beginning): Promise<Plan> {
  const { facts } = beginning.site;
  const { options, config } = origin;
  decideNetwork(options, config.ExposedPorts, facts);
  const plan = planOf(origin, beginning, facts, { mode: "none" });
  if (plan.linux.resources !== undefined) {
    (await import("./cgroup.ts")).checkCgroup(plan, options.cgroupParent);
  }
  return plan;
}

function planOf(
  origin: Origin,
  { site, container, detach }: Beginning,
  facts: HostFacts,
  network: NetworkChoice,
): Plan {
  const { options, config: image } = origin;
  const wishes = {
    ...(detach === undefined ? {} : { detach }),
    keep: container.keep,
    events: within(site.store.root, "events"),
  };
  return convert({
    options: { ...options, image: origin.image },
    image,
    facts,
    network,
    root: chooseRoot(origin, site, facts),
    container: { ...container, image: origin.image },
    life: chooseLife(options, image, wishes),
    origin,
    seccomp: seccompFor,
  });
}

function chooseRoot(
  { image, options, layers }: Origin,
  { store }: Site,
  facts: HostFacts,
): RootChoice {
  const { rootfs } = options;
  if (rootfs === undefined) {
    return { kind: "layers", lowerdirs: layerTrees(store, layers, `Cannot run ${image}`) };
  }
  const kind = facts.fileKind(rootfs);
  if (kind !== "directory") {
    const why = kind === undefined ? "it does not exist" : "it is no directory";
    throw new HbError(`Cannot use --rootfs "${rootfs}": ${why}`);
  }
  return { kind: "directory", path: realpathSync(rootfs) };
}
