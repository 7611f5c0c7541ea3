/**
 * The credential for a registry, from wherever the user keeps it. Each source is asked in turn and
 * the first that has one wins: --creds, HB_AUTH_<HOST>, HB_REGISTRY_AUTH, $REGISTRY_AUTH_FILE,
 * podman's auth.json, docker's config.json; in a file the most specific key.
 *
 * Nothing is read before a registry asks who is there.
 */

import { HbError } from "../errors.ts";
import type { Credential, FindCredential } from "../registry/credential.ts";
import { findIn, type JsonObject } from "./auth-file.ts";
import { getFromHelper, hasHelper } from "./helper.ts";
import {
  authFiles,
  documentVariable,
  fromDocumentVariable,
  fromHostVariable,
  readAuthFile,
  type Surroundings,
} from "./places.ts";

export interface FindOptions extends Surroundings {
  /** Credentials from the command line and the registry they are for. */
  readonly given?: { readonly registry: string; readonly credential: Credential };
  readonly notice: (line: string) => void;
}

/** The search, to be asked as often as a token must be renewed. */
export function credentialFinder(options: FindOptions): FindCredential {
  const said = new Set<string>();
  const notice = (line: string): void => {
    if (said.has(line)) return;
    said.add(line);
    options.notice(line);
  };
  return async (registry, repository) => {
    const { given } = options;
    if (given?.registry === registry) return given.credential;
    const fromHost = fromHostVariable(registry, options);
    if (fromHost !== undefined) return fromHost;
    for (const [path, file] of documents(options)) {
      const found = await searchFile({ path, file, registry, repository, notice });
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** `USER:PASSWORD` of --creds. */
export function parseCreds(text: string): Credential {
  const colon = text.indexOf(":");
  if (colon < 1) throw new HbError("Cannot use --creds: expected USER:PASSWORD");
  const [username, password] = [text.slice(0, colon), text.slice(colon + 1)];
  return { kind: "basic", username, password, origin: "--creds" };
}

function* documents(options: Surroundings): Generator<readonly [string, JsonObject]> {
  const inline = fromDocumentVariable(options);
  if (inline !== undefined) yield [documentVariable, inline];
  for (const { path, isNamed } of authFiles(options)) {
    const file = readAuthFile(path);
    if (file !== undefined) yield [path, file];
    else if (isNamed) {
      throw new HbError(`Cannot read credentials in ${path}: there is no such file`, {
        hint: "REGISTRY_AUTH_FILE names it: correct that, or make it with 'hb login'",
      });
    }
  }
}

interface Search {
  readonly path: string;
  readonly file: JsonObject;
  readonly registry: string;
  readonly repository: string | undefined;
  readonly notice: (line: string) => void;
}

async function searchFile(search: Search): Promise<Credential | undefined> {
  const { path, file, registry, repository } = search;
  for (const found of findIn(path, file, registry, repository)) {
    if (found.kind === "credential") return found.credential;
    // A file that came from another machine should not stop what needs no login.
    if (!found.isOwn && !hasHelper(found.name)) {
      search.notice(
        `${path} names docker-credential-${found.name}, which is not installed: its logins are ` +
          "not used",
      );
      continue;
    }
    const credential = await getFromHelper(found.name, found.key);
    if (credential !== undefined) return credential;
  }
  return undefined;
}
