/**
 * `hb run`: one container in the foreground. Returns only by failing; else this process becomes it.
 */

import { realpathSync, writeFileSync } from "node:fs";
import { bareImage, convert, type RootChoice } from "../container/convert.ts";
import type { HostFacts } from "../container/facts.ts";
import { checkName } from "../container/labels.ts";
import type { Plan } from "../container/plan.ts";
import { seccompFor as seccomp } from "../container/seccomp.ts";
import { HbError } from "../errors.ts";
import { launch } from "../helper/launch.ts";
import { hostFacts } from "../host/facts.ts";
import { currentIdentity, helperMapFlags, type Identity } from "../host/identity.ts";
import { checkArchitecture } from "../image/architecture.ts";
import { type ObtainedImage, obtainImage } from "../obtain.ts";
import type { RunOptions } from "../options.ts";
import { printNotice } from "../output.ts";
import { newContainerId } from "../store/id.ts";
import { containerPath, createStore, currentStore, type StorePaths } from "../store/layout.ts";
import { type ClaimedName, claimName } from "../store/names.ts";
import { sweep } from "../store/sweep.ts";

/** Runs the container; the exit status is the container's, by way of execve. */
export async function run(options: RunOptions): Promise<number> {
  if (options.name !== undefined) checkName(options.name);
  const identity = currentIdentity();
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  if (identity.notice !== undefined) printNotice(identity.notice);
  sweepStore(store, identity);
  const id = newContainerId();
  const container = { id, directory: containerPath(store, id), keep: !options.rm };
  const name = options.image ?? options.rootfs ?? "";
  const base = { options: { ...options, image: name }, facts: hostFacts(identity), container };
  const dryRun = () => {
    convert({
      ...base,
      image: bareImage,
      root: chooseRoot(options, undefined, base.facts),
      seccomp,
    });
  };
  const image =
    options.rootfs === undefined
      ? await obtainImage({ ...options, image: name }, { store, identity, beforePull: dryRun })
      : undefined;
  if (image !== undefined) checkArchitecture(image.name, image.config.platform, base.facts);
  const root = chooseRoot(options, image, base.facts);
  const plan = convert({ ...base, image: image?.config.config ?? bareImage, root, seccomp });
  if (options.name === undefined) return start(plan, options);
  const claimed = claimName(store, options.name, id);
  const named = { ...container, name: options.name, nameFile: claimed.file };
  return start({ ...plan, hb: { ...plan.hb, container: named } }, options, claimed);
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
function start(plan: Plan, options: RunOptions, name?: ClaimedName): never {
  if (options.cidfile !== undefined) writeCidFile(options.cidfile, plan.hb.container.id);
  return launch(plan, name === undefined ? [] : [name.fd]);
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
function sweepStore(store: StorePaths, identity: Identity): void {
  const failure = sweep(store, helperMapFlags(identity));
  if (failure !== undefined) printNotice(failure.message);
}
