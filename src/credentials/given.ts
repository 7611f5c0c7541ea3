/** `--creds`, completed by a question where the password is left out, and the search it leads. */

import { HbError } from "../errors.ts";
import { ask, canAsk } from "../output/prompt.ts";
import type { FindCredential } from "../registry/credential.ts";
import { credentialFinder, parseCreds } from "./find.ts";
import { currentSurroundings } from "./places.ts";

export interface GivenOptions {
  /** `--creds`. */
  readonly given?: Given | undefined;
  readonly notice: (line: string) => void;
  readonly signal: AbortSignal;
}

/** `USER[:PASSWORD]`, for `registry` and no other. */
export interface Given {
  readonly creds: string;
  readonly registry: string;
}

/** `--creds` of a command about `registries`, which must be one then. */
export function givenFor(
  creds: string | undefined,
  registries: readonly string[],
): Given | undefined {
  const [registry = "", ...others] = new Set(registries);
  if (creds === undefined) return undefined;
  if (others.length === 0) return { creds, registry };
  throw new HbError(`Cannot use --creds: the images are in ${others.length + 1} registries`, {
    hint: "name images of one registry, or use 'hb login' for each",
  });
}

/** Who asks the registries of one command. */
export async function credentialsFor(options: GivenOptions): Promise<FindCredential> {
  const { given, notice, signal } = options;
  const common = { ...currentSurroundings(), notice };
  if (given === undefined) return credentialFinder(common);
  const { creds, registry } = given;
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
