/** `hb kill`: a signal for the first process of each container. */

import { parseSignal, signalNumber } from "../container/signals.ts";
import { HbError } from "../errors.ts";
import { ask } from "../lifecycle/control.ts";
import { onEach } from "../lifecycle/each.ts";
import { doesNotAnswer } from "../lifecycle/end.ts";
import { type Known, nameOf } from "../lifecycle/select.ts";
import { settled } from "../lifecycle/settle.ts";
import { isOngoing, readState } from "../lifecycle/state.ts";
import type { KillOptions } from "../options/containers.ts";
import { currentStore } from "../store/layout.ts";

const SIGKILL = 9;
const KILL = ["stop", String(SIGKILL), "-1"] as const;

/** Sends the signal; what does not run cannot be sent one. */
export async function kill({ containers, signal }: KillOptions): Promise<number> {
  const number = signalNumber(parseSignal(signal, "--signal"));
  return onEach(currentStore(), containers, { together: true }, async (known) => {
    if (!isOngoing(readState(await settled(known)))) throw notRunning(known);
    // As docker's: what is killed has ended when the command has.
    const answer = await ask(known, number === SIGKILL ? KILL : ["signal", String(number)]);
    if (answer.kind === "gone") {
      throw isOngoing(readState(known)) ? doesNotAnswer(known, "kill") : notRunning(known);
    }
    return "its name";
  });
}

function notRunning(known: Known): HbError {
  return new HbError(`Cannot kill container ${nameOf(known)}: it is not running`);
}
