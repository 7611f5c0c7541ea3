/** `hb logout`: a login is forgotten, by every file and helper that has it. */

import { forgetLogin, knownTargets } from "../credentials/keep.ts";
import { currentSurroundings, fromHostVariable, hostVariable } from "../credentials/places.ts";
import { parseTarget } from "../credentials/target.ts";
import { HbError, UsageError } from "../errors.ts";
import type { LogoutOptions } from "../options/login.ts";
import { printNotice, printResult } from "../output.ts";

/** Prints docker's line for each registry. */
export async function logout(options: LogoutOptions): Promise<number> {
  const place = currentSurroundings();
  if (options.all) {
    if (options.registry !== undefined) {
      throw new UsageError("Cannot use --all with a registry", { hint: "see 'hb help logout'" });
    }
    for (const target of knownTargets(place)) {
      if (await forgetLogin(target, place)) printResult(`Removing login credentials for ${target}`);
    }
    return 0;
  }
  const target = parseTarget(options.registry);
  const isForgotten = await forgetLogin(target, place);
  const isInVariable = fromHostVariable(target, place) !== undefined;
  if (isInVariable) printNotice(`${hostVariable(target)} still has a login for ${target}`);
  if (!isForgotten) throw new HbError(`Cannot log out of ${target}: nobody is logged in`);
  printResult(`Removing login credentials for ${target}`);
  return 0;
}
