/** `hb update`: other limits and another restart policy for containers. */

import { parseRestart } from "../container/life.ts";
import { HbError, UsageError } from "../errors.ts";
import { hostFacts } from "../host/facts.ts";
import { currentIdentity } from "../host/identity.ts";
import { amendContainer } from "../lifecycle/amend.ts";
import { ask } from "../lifecycle/control.ts";
import { onEach } from "../lifecycle/each.ts";
import { recordEvent } from "../lifecycle/events.ts";
import { imageOf } from "../lifecycle/record.ts";
import { nameOf } from "../lifecycle/select.ts";
import { readState } from "../lifecycle/state.ts";
import type { UpdateOptions } from "../options/containers.ts";
import { currentStore } from "../store/layout.ts";

/** Changes what was given, and nothing else. */
export async function update({ containers, ...asked }: UpdateOptions): Promise<number> {
  const given = Object.entries(asked).filter(([, value]) => value !== undefined);
  if (given.length === 0) {
    throw new UsageError("Cannot update: nothing is to be different", {
      hint: "give a limit or --restart, see 'hb help update'",
    });
  }
  const { policy = "no", maximumRetryCount = 0 } = parseRestart(asked.restart) ?? {};
  const facts = hostFacts(currentIdentity());
  const store = currentStore();
  return await onEach(store, containers, { together: false }, async (known) => {
    amendContainer(known, asked, facts);
    const isAlive = !["created", "exited"].includes(readState(known).status);
    if (asked.restart !== undefined && isAlive) {
      const answer = await ask(known, ["restart-policy", policy, String(maximumRetryCount)]);
      if (answer.kind === "gone" && readState(known).status === "running") {
        throw new HbError(`Cannot update ${nameOf(known)}: its supervisor does not answer`);
      }
    }
    recordEvent(store, { action: "update", known, image: imageOf(known) });
    return "its name";
  });
}
