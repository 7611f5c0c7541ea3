/** `--creds`, completed by a question where the password is left out, and the search it leads. */

import { HbError } from "../errors.ts";
import { ask, canAsk } from "../output/prompt.ts";
import type { FindCredential } from "../registry/credential.ts";
import { credentialFinder, parseCreds } from "./find.ts";
import { currentSurroundings } from "./places.ts";

export interface GivenOptions {
  /** `USER[:PASSWORD]`, for `registry` and no other. */
  readonly creds: string | undefined;
  readonly registry: string;
  readonly notice: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Who asks the registries of one command. */
export async function credentialsFor(options: GivenOptions): Promise<FindCredential> {
  const { creds, notice, registry, signal } = options;
  const common = { ...currentSurroundings(), notice };
  if (creds === undefined) return credentialFinder(common);
  const credential = parseCreds(await withPassword(creds, registry, signal));
  return credentialFinder({ ...common, given: { registry, credential } });
}

async function withPassword(creds: string, registry: string, signal: AbortSignal) {
  if (creds === "" || creds.includes(":")) return creds;
  if (!canAsk()) {
    throw new HbError("Cannot use --creds: the password is missing and there is no terminal", {
      hint: `write USER:PASSWORD, or use 'hb login ${registry}'`,
    });
  }
  const text = `Password of ${creds} at ${registry}: `;
  return `${creds}:${(await ask([{ text, hidden: true }], signal)).join("")}`;
}
