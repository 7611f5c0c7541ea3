/**
 * What a container has before it starts: a name that is its alone and, if it is kept, a directory
 * with its plan. Taken under locks that end with this process, so that a killed one leaves garbage
 * or a whole container and nothing between.
 */

import { closeSync, rmSync, writeFileSync } from "node:fs";
import type { ContainerDirectory, Plan } from "../container/plan.ts";
import { planText } from "../helper/launch.ts";
import { makeContainer, markKept } from "../store/kept.ts";
import { containerPath, type StorePaths } from "../store/layout.ts";
import { type ClaimedName, claimName, isNameTaken } from "../store/names.ts";
import { recordEvent } from "./events.ts";
import { inventName } from "./invent.ts";

/** A place that is ours. */
export interface Place {
  readonly container: ContainerDirectory;
  /** Descriptors the supervisor inherits. */
  readonly keep: readonly number[];
  /** Writes the plan down: from here on the container exists, whatever becomes of this process. */
  readonly settle: (plan: Plan) => void;
  /** Gives all of it up again. */
  readonly discard: () => void;
}

/** Takes a place for the new container; one without a name is given one. */
export function takePlace(store: StorePaths, container: ContainerDirectory): Place {
  const { id, directory, keep } = container;
  const { name, claimed } = takeName(store, container.name, id);
  const giveUpName = () => {
    rmSync(claimed.file, { force: true });
    closeSync(claimed.fd);
  };
  if (!keep) {
    return {
      container: { ...container, name, nameFile: claimed.file },
      keep: [claimed.fd],
      settle: () => undefined,
      discard: giveUpName,
    };
  }
  const lock = makeContainer(store, id);
  return {
    container: { ...container, name, lock: lock.fd },
    keep: [lock.fd],
    settle: (plan) => {
      writeFileSync(`${directory}/config.json`, planText(plan), { mode: 0o600 });
      markKept(store, id);
      const known = { id, directory: containerPath(store, id), name };
      recordEvent(store, { action: "create", known, image: plan.hb.origin?.image ?? "" });
    },
    discard: () => {
      // First what makes it more than garbage.
      rmSync(`${directory}/kept`, { force: true });
      rmSync(directory, { recursive: true, force: true });
      giveUpName();
      lock.release();
    },
  };
}

function takeName(
  store: StorePaths,
  wanted: string | undefined,
  id: string,
): { readonly name: string; readonly claimed: ClaimedName } {
  if (wanted !== undefined) return { name: wanted, claimed: claimName(store, wanted, id) };
  for (let tries = 0; ; tries++) {
    const name = inventName(id, tries);
    try {
      return { name, claimed: claimName(store, name, id) };
    } catch (error) {
      if (!isNameTaken(error)) throw error;
    }
  }
}
