/**
 * The trial: a container made by the very code that makes all others, of an image that is the
 * helper itself doing nothing. Probing beats looking at version numbers, which say little about
 * what a distribution, an outer container or a policy allows.
 */

import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { bareImage, convert } from "../container/convert.ts";
import { briefLife } from "../container/life.ts";
import { seccompFor } from "../container/seccomp.ts";
import { formatError, HbError } from "../errors.ts";
import { helperBytes } from "../helper/binary.ts";
import { runPlan } from "../helper/launch.ts";
import { hostFacts } from "../host/facts.ts";
import { helperMapFlags, type Identity } from "../host/identity.ts";
import type { ContainerFlags } from "../options.ts";
import { newContainerId } from "../store/id.ts";
import { containerPath, createStore, type StorePaths } from "../store/layout.ts";
import { tryLock } from "../store/lock.ts";
import { sweep } from "../store/sweep.ts";
import type { Probe } from "./checks.ts";

const noFlags: ContainerFlags = {
  addHost: [],
  capAdd: [],
  capDrop: [],
  device: [],
  dns: [],
  dnsOption: [],
  dnsSearch: [],
  env: [],
  envFile: [],
  groupAdd: [],
  httpProxy: false,
  label: [],
  labelFile: [],
  mount: [],
  privileged: false,
  readOnly: false,
  securityOpt: [],
  tmpfs: [],
  tty: false,
  ulimit: [],
  volume: [],
};

/** Runs the trial container and tells how it ended. */
export function probeContainer(store: StorePaths, identity: Identity): Probe {
  const id = newContainerId();
  const staging = `${store.tmp}/doctor-${id}`;
  const layer = `${staging}/diff`;
  try {
    createStore(store, process.geteuid?.() ?? 0);
    mkdirSync(layer, { recursive: true, mode: 0o755 });
    // What nobody holds in tmp/ is garbage to every other hb.
    const lock = tryLock(staging, "shared");
    using _held = typeof lock === "string" ? undefined : lock;
    writeFileSync(`${layer}/probe`, helperBytes());
    chmodSync(`${layer}/probe`, 0o755);
    const plan = convert({
      // The helper finds nothing to remove and ends well.
      options: { ...noFlags, image: "probe", command: [], interactive: false, init: false },
      image: { ...bareImage, Cmd: ["/probe", "remove", "/none"] },
      facts: hostFacts(identity),
      network: { mode: "host" },
      root: { kind: "layers", lowerdirs: [layer] },
      container: { id, directory: containerPath(store, id), keep: false },
      life: briefLife,
      seccomp: seccompFor,
    });
    const { exitCode, stderr } = runPlan(plan);
    return { exitCode, lines: linesOf(stderr) };
  } catch (error) {
    if (!(error instanceof HbError)) throw error;
    return { exitCode: 125, lines: [formatError(error)] };
  } finally {
    rmSync(staging, { recursive: true, force: true });
    sweep(store, helperMapFlags(identity));
  }
}

function linesOf(text: string): readonly string[] {
  const lines = text.split("\n").map((line) => line.replace(/^hb: /, "").trim());
  return lines.filter((line) => line !== "");
}
