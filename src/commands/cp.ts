/** `hb cp`: files out of and into containers. */

import { parseCopy } from "../container/copy-paths.ts";
import { HbError } from "../errors.ts";
import { copy } from "../lifecycle/copy.ts";
import { findContainer } from "../lifecycle/select.ts";
import type { CpOptions } from "../options/containers.ts";
import { humanSize, printNotice, printStatus } from "../output.ts";
import { createStore, currentStore } from "../store/layout.ts";

/** Copies one file or tree. */
export async function cp(options: CpOptions): Promise<number> {
  const { source, destination } = options;
  const wanted = parseCopy(source, destination);
  const isStream = wanted.to === "-" && wanted.kind === "from";
  if (isStream && process.stdout.isTTY) {
    throw new HbError("Cannot write an archive to a terminal", {
      hint: `redirect it: hb cp ${source} - > FILE.tar`,
    });
  }
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const known = findContainer(store, wanted.container);
  const doing = `Cannot copy "${source}" to "${destination}"`;
  const { exitCode, bytes, skipped, squashed } = await copy(known, wanted, options, doing);
  if (skipped > 0) printNotice(`device nodes left out of the copy: ${skipped}`);
  if (squashed > 0) printNotice(`files whose owners do not exist here are root's now: ${squashed}`);
  // As docker: for people, unless they say otherwise.
  const isQuiet = options.quiet ?? !process.stdout.isTTY;
  if (exitCode === 0 && !isStream && !isQuiet) {
    printStatus(`Successfully copied ${humanSize(bytes)} to ${destination}`);
  }
  return exitCode;
}
