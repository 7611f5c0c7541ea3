/** One command, several containers: each of them is tried, and what fails is said and counted. */

import { formatError, HbError } from "../errors.ts";
import { printResult, printStatus } from "../output.ts";
import type { StorePaths } from "../store/layout.ts";
import { findContainer, type Known, NoSuchContainer } from "./select.ts";

/** How several are gone through. */
export interface Manner {
  /** All at once, where each takes its time; else one after the other. */
  readonly together: boolean;
  /** A container that is not there is told of, and no failure. */
  readonly mayBeMissing?: boolean;
}

/** What failed has been said already, by the helper. */
export class AlreadySaid extends HbError {}

/** What there is to print of a container: a line, its name as it was written, or nothing. */
export type Outcome = string | "its name" | undefined;

/**
 * Does `act` to each container that `texts` name, and prints what it returns, in the order of
 * `texts`. Nothing is done twice to one container. Returns the exit status.
 */
export async function onEach(
  store: StorePaths,
  texts: readonly string[],
  { together, mayBeMissing = false }: Manner,
  act: (known: Known, text: string) => Promise<Outcome>,
): Promise<number> {
  let failures = 0;
  const seen = new Map<string, Promise<Outcome>>();
  const one = async (text: string) => {
    const known = findContainer(store, text);
    const acting = seen.get(known.id) ?? act(known, text);
    seen.set(known.id, acting);
    const outcome = await acting;
    return outcome === "its name" ? text : outcome;
  };
  const report = async (result: Promise<Outcome>) => {
    try {
      const line = await result;
      if (line !== undefined) printResult(line);
    } catch (error) {
      if (!(error instanceof HbError)) throw error;
      if (!(error instanceof AlreadySaid)) printStatus(`hb: ${formatError(error)}`);
      if (!(mayBeMissing && error instanceof NoSuchContainer)) failures++;
    }
  };
  if (together) {
    const results = texts.map(one);
    void Promise.allSettled(results); // each is looked at in its turn, and not unhandled till then
    for (const result of results) await report(result);
  } else {
    for (const text of texts) await report(one(text));
  }
  return failures > 0 ? 1 : 0;
}
