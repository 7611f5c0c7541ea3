/** `hb update`: other limits and another restart policy for containers. */

import { parseRestart } from "../container/life.ts";
import { UsageError } from "../errors.ts";
import { hostFacts } from "../host/facts.ts";
import { currentIdentity } from "../host/identity.ts";
import { amendContainer } from "../lifecycle/amend.ts";
import { ask } from "../lifecycle/control.ts";
import { onEach } from "../lifecycle/each.ts";
import { doesNotAnswer } from "../lifecycle/end.ts";
import { recordEvent } from "../lifecycle/events.ts";
import { imageOf } from "../lifecycle/record.ts";
import { isOngoing, readState } from "../lifecycle/state.ts";
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
    if (asked.restart !== undefined && isOngoing(readState(known))) {
      const answer = await ask(known, ["restart-policy", policy, String(maximumRetryCount)]);
      if (answer.kind === "gone" && isOngoing(readState(known))) {
        throw doesNotAnswer(known, "update");
      }
    }
    recordEvent(store, { action: "update", known, image: imageOf(known) });
    return "its name";
  });
}
