/**
 * `hb run`: one container in the foreground. Returns only by failing; else this process becomes it.
 */

import { realpathSync, writeFileSync } from "node:fs";
import { bareImage, type ConvertInput, convert, type RootChoice } from "../container/convert.ts";
import { chooseHostname } from "../container/etc.ts";
import type { HostFacts } from "../container/facts.ts";
import { checkName } from "../container/labels.ts";
import { chooseLife } from "../container/life.ts";
import { decideNetwork } from "../container/network.ts";
import type { Plan } from "../container/plan.ts";
import { seccompFor as seccomp } from "../container/seccomp.ts";
import { HbError } from "../errors.ts";
import { launch } from "../helper/launch.ts";
import { hostFacts } from "../host/facts.ts";
import { currentIdentity, helperMapFlags, type Identity } from "../host/identity.ts";
import { checkArchitecture } from "../image/architecture.ts";
import { type GrantedNetwork, grantNetwork } from "../network/grant.ts";
import { networksWithState } from "../network/runtime.ts";
import { type ObtainedImage, obtainImage } from "../obtain.ts";
import type { RunOptions } from "../options/containers.ts";
import { printNotice, printStatus } from "../output.ts";
import { newContainerId } from "../store/id.ts";
import { makeContainer, markKept } from "../store/kept.ts";
import {
  containerPath,
  createStore,
  currentStore,
  type StorePaths,
  within,
} from "../store/layout.ts";
import { type ClaimedName, claimName } from "../store/names.ts";
import { sweep } from "../store/sweep.ts";

/** Runs the container; the exit status is the container's, by way of execve. */
export async function run(options: RunOptions): Promise<number> {
  if (options.name !== undefined) checkName(options.name);
  const identity = currentIdentity();
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  if (identity.notice !== undefined) printNotice(identity.notice);
  await sweepAll(store, identity);
  const id = newContainerId();
  const container = { id, directory: containerPath(store, id), keep: options.rm === false };
  const name = options.image ?? options.rootfs ?? "";
  const facts = hostFacts(identity);
  const base = { options: { ...options, image: name }, facts, container };
  const wishes = { events: within(store.root, "events") };
  // What is wrong with the flags is said before anything is pulled.
  const dryRun = () => {
    decideNetwork(options, [], facts);
    const root = chooseRoot(options, undefined, facts);
    const life = chooseLife(options, bareImage, wishes);
    convert({ ...base, life, image: bareImage, root, network: { mode: "none" }, seccomp });
  };
  const image =
    options.rootfs === undefined
      ? await obtainImage({ ...options, image: name }, { store, identity, beforePull: dryRun })
      : undefined;
  if (image !== undefined) checkArchitecture(image.name, image.config.platform, facts);
  const root = chooseRoot(options, image, facts);
  const config = image?.config.config ?? bareImage;
  const life = chooseLife(options, config, wishes);
  const origin = {
    image: name,
    imageId: image?.record.config ?? "",
    createdAt: new Date().toISOString(),
    layers: image?.record.layers.toReversed() ?? [],
    options,
    config,
  };
  return await connect(options, { ...base, image: config, root, life, origin }, store);
}

/** The container with a network of its own, which is given back should it not start. */
async function connect(
  options: RunOptions,
  base: Omit<ConvertInput, "network" | "seccomp">,
  store: StorePaths,
): Promise<never> {
  const { container, facts, image } = base;
  const { id } = container;
  const intent = decideNetwork(options, image.ExposedPorts, facts);
  const hostname = chooseHostname(options, id, facts);
  const own = { id, hostname, ...(options.name === undefined ? {} : { name: options.name }) };
  const granted = await grantNetwork({ intent, wishes: options, facts, store, container: own });
  try {
    for (const notice of granted.notices) printNotice(notice);
    const planned = convert({ ...base, network: granted.choice, seccomp });
    const plan =
      planned.linux.resources === undefined
        ? planned
        : await (await import("../lifecycle/cgroup.ts")).grantCgroup(planned, options.cgroupParent);
    if (options.name === undefined) return start(plan, options, granted);
    const claimed = claimName(store, options.name, id);
    const named = { ...container, name: options.name, nameFile: claimed.file };
    return start({ ...plan, hb: { ...plan.hb, container: named } }, options, granted, claimed);
  } catch (error) {
    granted.giveBack();
    throw error;
  }
}

function chooseRoot(
  { rootfs }: RunOptions,
  image: ObtainedImage | undefined,
  facts: HostFacts,
): RootChoice {
  if (rootfs === undefined) return { kind: "layers", lowerdirs: image?.lowerdirs ?? [] };
  const kind = facts.fileKind(rootfs);
  if (kind !== "directory") {
    const why = kind === undefined ? "it does not exist" : "it is no directory";
    throw new HbError(`Cannot use --rootfs "${rootfs}": ${why}`);
  }
  return { kind: "directory", path: realpathSync(rootfs) };
}

/** The last things that can fail, then execve. */
function start(
  plan: Plan,
  options: RunOptions,
  { keep, chosen }: GrantedNetwork,
  name?: ClaimedName,
): never {
  const { id } = plan.hb.container;
  if (plan.hb.container.keep) {
    using _lock = makeContainer(currentStore(), id);
    markKept(currentStore(), id);
  }
  if (options.cidfile !== undefined) writeCidFile(options.cidfile, id);
  for (const port of chosen) printStatus(`hb: published ${port}`);
  return launch(plan, name === undefined ? keep : [...keep, name.fd]);
}

function writeCidFile(path: string, id: string): void {
  try {
    writeFileSync(path, id, { flag: "wx" });
  } catch (error) {
    const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw new HbError(`Cannot write --cidfile "${path}"`, {
      cause: isThere ? new HbError("it exists already") : error,
      ...(isThere ? { hint: "another container may have it; else remove the file" } : {}),
    });
  }
}

/** Garbage that resists is no reason not to run; it is worth a line. */
async function sweepAll(store: StorePaths, identity: Identity): Promise<void> {
  const failure = sweep(store, helperMapFlags(identity));
  if (failure !== undefined) printNotice(failure.message);
  // Bridges are root's; where there is none, what looks after them is not even loaded.
  if (identity.uidMappings.length > 0 || networksWithState().length === 0) return;
  const resisting = (await import("../network/leases.ts")).sweepDeadLeases();
  if (resisting !== undefined) printNotice(resisting.message);
}
