/** HB_STORE_MAX: how much the store may take. After each pull the least recently used goes. */

import { parseSize } from "./container/units.ts";
import { formatError, HbError } from "./errors.ts";
import { humanSize, printNotice, printStatus } from "./output.ts";
import type { StorePath, StorePaths } from "./store/layout.ts";
import { leastUsedOf, storedBytes } from "./store/least-used.ts";
import { pruneStore } from "./store/prune.ts";

const budgetVariable = "HB_STORE_MAX";

/** What is to be kept to. */
export interface Budget {
  readonly maxBytes: number;
  readonly quiet: boolean;
}

/** The bytes that `text`, the variable's value, allows. */
export function parseBudget(text: string): number {
  return parseSize(text, budgetVariable);
}

/** Removes images until the layers take no more than the budget; the one just `pulled` stays. */
export function keepBudget(
  store: StorePaths,
  pulled: StorePath,
  mapFlags: readonly string[],
  { maxBytes, quiet }: Budget,
): void {
  if (storedBytes(store) <= maxBytes) return;
  try {
    const { images, bytes } = pruneStore(store, {
      choose: (unused) => {
        const others = unused.filter(({ file }) => file !== pulled);
        return leastUsedOf(store, others, maxBytes);
      },
      mapFlags,
    });
    if (images > 0 && !quiet) {
      const noun = images === 1 ? "image" : "images";
      printStatus(`hb: removed ${images} ${noun} for ${budgetVariable}: ${humanSize(bytes)} freed`);
    }
  } catch (error) {
    // The pull itself is done.
    if (!(error instanceof HbError)) throw error;
    printNotice(formatError(error));
  }
  const left = storedBytes(store);
  if (left <= maxBytes) return;
  const over = `the store takes ${humanSize(left)}, more than ${budgetVariable} allows`;
  printNotice(`${over}: the rest is in use; see 'hb system df'`);
}
