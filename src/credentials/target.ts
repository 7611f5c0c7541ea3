/** What a login is for, as the user writes it: a registry, or a repository's prefix there. Pure. */

import { HbError } from "../errors.ts";
import { parseReference } from "../image/reference.ts";
import { normalizeKey } from "./auth-file.ts";

/**
 * `HOST[:PORT][/PREFIX]` in the form that keys are compared in; Docker Hub when nothing is said.
 * An address pasted from a browser is its host, as docker has it.
 */
export function parseTarget(text: string | undefined): string {
  if (text === undefined) return "docker.io";
  const target = normalizeKey(text.replace(/\/+$/, ""));
  const [host = "", ...path] = target.split("/");
  const doing = `Cannot use ${JSON.stringify(text)} as a registry`;
  if (!(host === "localhost" || /[.:]/.test(host))) {
    throw new HbError(`${doing}: it is no host`, {
      hint: "write HOST, HOST:PORT or HOST/NAME",
    });
  }
  try {
    parseReference(`${host}/${path.length === 0 ? "x" : path.join("/")}`);
  } catch (error) {
    throw new HbError(doing, { cause: error });
  }
  // A tag would be taken for a part of the name.
  if (!/[:@]/.test(path.join("/"))) return target;
  throw new HbError(`${doing}: a login is for all tags`, { hint: "leave tag and digest out" });
}
