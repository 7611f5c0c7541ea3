/** `hb spec`: the container `hb run` would make, as a bundle on disk for crun and runc. */

import { lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import {
  type BundleParts,
  bundleFileName,
  bundleOf,
  type ResolvedUser,
} from "../container/bundle.ts";
import { bareImage, convert } from "../container/convert.ts";
import { briefLife } from "../container/life.ts";
import type { NetworkChoice } from "../container/network.ts";
import type { Plan } from "../container/plan.ts";
import { seccompFor } from "../container/seccomp.ts";
import { HbError, UsageError } from "../errors.ts";
import { runHelper } from "../helper/binary.ts";
import { bundleText } from "../helper/launch.ts";
import { hostFacts } from "../host/facts.ts";
import { currentIdentity, helperMapFlags, type Identity } from "../host/identity.ts";
import { obtainImage } from "../obtain.ts";
import type { SpecOptions } from "../options.ts";
import { printNotice, printResult } from "../output.ts";
import { newContainerId } from "../store/id.ts";
import { createStore, currentStore, layerTrees } from "../store/layout.ts";

/** Writes the bundle and prints its directory. */
export async function spec(options: SpecOptions): Promise<number> {
  const directory = resolve(options.directory);
  const identity = currentIdentity();
  const base = {
    options: { ...options, interactive: false, init: false },
    facts: hostFacts(identity),
    network: bundleNetwork(options.network),
    container: { id: newContainerId(), directory, keep: true },
    life: briefLife,
    seccomp: seccompFor,
  };
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const beforePull = async () => {
    convert({ ...base, image: bareImage, root: { kind: "layers", lowerdirs: [] } });
  };
  const image = await obtainImage(options, { store, identity, beforePull });
  const trees = layerTrees(store, image.record.layers, `Cannot use ${image.name}`);
  const lowerdirs = trees.reverse();
  const plan = convert({
    ...base,
    image: image.config.config,
    root: { kind: "layers", lowerdirs },
  });
  makeDirectory(directory);
  if (identity.notice !== undefined) printNotice(identity.notice);
  copyRoot(directory, lowerdirs, identity);
  const user = resolveUser(directory, plan);
  for (const { destination, content } of plan.hb.files) {
    writeFileSync(`${directory}/${bundleFileName(destination)}`, content);
  }
  const parts = { user, directory, volumes: bundleVolumes(directory, plan) };
  writeFileSync(`${directory}/config.json`, `${bundleText(bundleOf(plan, parts))}\n`);
  printResult(directory);
  return 0;
}

/** Runtimes connect nothing themselves: what hb does with pasta or a bridge has no words there. */
function bundleNetwork(text: string | undefined): NetworkChoice {
  if (text === undefined || text === "host") return { mode: "host" };
  if (text === "none") return { mode: "none" };
  const path = /^ns:(\/.*)$/s.exec(text)?.[1];
  if (path !== undefined) {
    return { mode: "joined", namespaces: [{ type: "network", path }] };
  }
  throw new UsageError(`Cannot write a bundle with --network "${text}"`, {
    hint: "use host, none or ns:/PATH; the network is the business of who runs the bundle",
  });
}

/** An empty directory that exists already will do. */
function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
    if (readdirSync(directory).length > 0) throw new HbError("it is not empty");
  } catch (error) {
    throw new HbError(`Cannot write a bundle to "${directory}"`, {
      cause: error,
      hint: "name a directory that does not exist yet",
    });
  }
}

/** One tree of all layers, owners and all, made by the helper where the ids are mapped. */
function copyRoot(directory: string, lowerdirs: readonly string[], identity: Identity): void {
  const lowers = lowerdirs.flatMap((lowerdir) => ["--lower", lowerdir]);
  const args = ["copy", ...helperMapFlags(identity), "--to", `${directory}/rootfs`, ...lowers];
  runHelper(args, `Cannot write "${directory}/rootfs"`);
}

function resolveUser(directory: string, plan: Plan): ResolvedUser {
  const args = ["user", `${directory}/rootfs`, plan.hb.user, ...plan.hb.groupAdd];
  const printed = runHelper(args, `Cannot find the user "${plan.hb.user}"`);
  // Our own helper's words (helper-zig/src/user.zig).
  return JSON.parse(printed) as ResolvedUser;
}

/**
 * A volume needs a mount where the image has no such directory, or where the root is read-only. The
 * image's own directory is used only when no symbolic link leads to it, which could lead anywhere.
 */
function bundleVolumes(directory: string, plan: Plan): BundleParts["volumes"] {
  return plan.hb.volumes.flatMap((destination, index) => {
    const inImage = isPlainDirectory(`${directory}/rootfs`, destination);
    if (inImage && !plan.root.readonly) return [];
    if (inImage) return [{ destination, source: `${directory}/rootfs${destination}` }];
    const source = `${directory}/volumes/${index}`;
    mkdirSync(source, { recursive: true });
    return [{ destination, source }];
  });
}

function isPlainDirectory(root: string, path: string): boolean {
  let at = root;
  for (const part of path.split("/").filter((name) => name !== "")) {
    at = `${at}/${part}`;
    if (lstatSync(at, { throwIfNoEntry: false })?.isDirectory() !== true) return false;
  }
  return true;
}
