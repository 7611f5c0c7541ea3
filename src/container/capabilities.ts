/** `--cap-add`, `--cap-drop` and `--privileged` -> the capability sets of a container. Pure. */

import { UsageError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { allCapabilities, defaultCapabilities } from "./defaults.ts";
import type { HostFacts } from "./facts.ts";
import type { Capabilities } from "./plan.ts";

export interface CapabilityWishes {
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly privileged: boolean;
}

type Facts = Pick<HostFacts, "lastCapability" | "boundingCapabilities">;

/**
 * The names a container gets, as docker decides them: `--privileged` beats the rest, `--cap-add
 * ALL` is all but what is dropped, `--cap-drop ALL` leaves what is added.
 */
export function chooseCapabilities(wishes: CapabilityWishes, facts: Facts): readonly string[] {
  const added = wishes.capAdd.map((name) => parseCapability(name, "--cap-add"));
  const dropped = wishes.capDrop.map((name) => parseCapability(name, "--cap-drop"));
  if (wishes.privileged) return held(knownTo(facts), facts);
  if (added.includes("ALL")) {
    return held(
      knownTo(facts).filter((name) => !dropped.includes(name)),
      facts,
    );
  }
  for (const name of added) refuseUnheld(name, facts);
  if (dropped.includes("ALL")) return unique(added);
  const kept = defaultCapabilities.filter((name) => !dropped.includes(name));
  return unique([...held(kept, facts), ...added]);
}

/** Inheritable stays empty, or set-user-ID programs would pass capabilities on: CVE-2022-24769. */
export function capabilitySets(names: readonly string[]): Capabilities {
  return { bounding: names, effective: names, inheritable: [], permitted: names, ambient: [] };
}

/** `net_admin`, `CAP_NET_ADMIN` or `all` in capability.h's spelling. */
function parseCapability(text: string, flag: string): string {
  const upper = text.trim().toUpperCase();
  if (upper === "ALL" || upper === "CAP_ALL") return "ALL";
  const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  if (allCapabilities.includes(name)) return name;
  const meant = nearest(name, allCapabilities);
  throw new UsageError(`Cannot use ${flag} "${text}": there is no such capability`, {
    hint: meant === undefined ? "see capabilities(7)" : `did you mean ${meant.slice(4)}?`,
  });
}

function knownTo({ lastCapability }: Facts): readonly string[] {
  return allCapabilities.slice(0, lastCapability + 1);
}

/** Root of an outer container may hand on only what it has: less is given, never more. */
function held(names: readonly string[], { boundingCapabilities }: Facts): readonly string[] {
  return names.filter((name) => isHeld(name, boundingCapabilities));
}

function refuseUnheld(name: string, { boundingCapabilities, lastCapability }: Facts): void {
  if (name === "ALL" || isHeld(name, boundingCapabilities)) return;
  const why =
    allCapabilities.indexOf(name) > lastCapability
      ? "this kernel does not know it"
      : "hb itself was started without it";
  throw new UsageError(`Cannot add the capability ${name}: ${why}`);
}

function isHeld(name: string, set: bigint): boolean {
  return ((set >> BigInt(allCapabilities.indexOf(name))) & 1n) === 1n;
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}
