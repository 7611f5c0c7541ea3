/** Where this process makes and ends containers: its user's store, on this machine. */

import type { HostFacts } from "../container/facts.ts";
import { hostFacts } from "../host/facts.ts";
import { currentIdentity, helperMapFlags, type Identity } from "../host/identity.ts";
import { networksWithState } from "../network/runtime.ts";
import { printNotice } from "../output.ts";
import { createStore, currentStore, type StorePaths } from "../store/layout.ts";
import { sweep } from "../store/sweep.ts";

/** A store that is there and swept, and who works in it. */
export interface Site {
  readonly store: StorePaths;
  readonly identity: Identity;
  readonly facts: HostFacts;
}

/** Opens the caller's store, once what killed processes left there is gone. */
export async function openSite(): Promise<Site> {
  const identity = currentIdentity();
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  if (identity.notice !== undefined) printNotice(identity.notice);
  await sweepAll(store, identity);
  return { store, identity, facts: hostFacts(identity) };
}

/** Garbage that resists is no reason not to go on; it is worth a line. */
async function sweepAll(store: StorePaths, identity: Identity): Promise<void> {
  const failure = sweep(store, helperMapFlags(identity));
  if (failure !== undefined) printNotice(failure.message);
  // Bridges are root's; where there is none, what looks after them is not even loaded.
  if (identity.uidMappings.length > 0 || networksWithState().length === 0) return;
  const resisting = (await import("../network/leases.ts")).sweepDeadLeases();
  if (resisting !== undefined) printNotice(resisting.message);
}
