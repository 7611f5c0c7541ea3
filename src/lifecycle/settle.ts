/**
 * The moment at a container's start in which its payload runs already and its state does not say so
 * yet. Whoever has heard the payload speak must find it running.
 */

import type { Known } from "./select.ts";
import { isBeginning } from "./state.ts";
import { Changes } from "./watch.ts";

/** A supervisor that was killed at its beginning never tells. */
const LONGEST_MS = 5000;

/** The container, once its state can be relied on. */
export async function settled(known: Known): Promise<Known> {
  if (!isBeginning(known)) return known;
  using changes = new Changes(known.directory);
  const isLate = Bun.sleep(LONGEST_MS).then(() => true);
  while (isBeginning(known)) {
    const hasChanged = changes.next().then(() => false);
    if (await Promise.race([hasChanged, isLate])) break;
  }
  return known;
}
