/** `hb import`: an image of one layer from a tar of files. */

import { importImage } from "../archive/import.ts";
import { type OpenArchive, openArchive, spool } from "../archive/open.ts";
import { HbError } from "../errors.ts";
import { currentIdentity } from "../host/identity.ts";
import { interruptible } from "../host/interrupt.ts";
import { parseName } from "../host/short-names.ts";
import { applyChanges } from "../image/change.ts";
import { hostPlatform, parsePlatform } from "../image/platform.ts";
import { familiarName, namelessReference } from "../image/reference.ts";
import { decompress } from "../layer/decompress.ts";
import type { ImportOptions } from "../options/images.ts";
import { printResult } from "../output.ts";
import { pullImage } from "../pull.ts";
import { createStore, currentStore, type StorePaths } from "../store/layout.ts";

/** Makes the image and prints its id, as docker does. */
export async function importFiles(options: ImportOptions): Promise<number> {
  const { source, change, message, quiet } = options;
  const name = options.reference === undefined ? undefined : parseName(options.reference);
  if (name?.digest !== undefined) {
    throw new HbError(`Cannot import ${familiarName(name)}: a name with a digest is no choice`, {
      hint: "write REPOSITORY[:TAG]",
    });
  }
  if (source === "-" && process.stdin.isTTY) {
    throw new HbError("Cannot import files from a terminal", { hint: "pipe a tar into hb import" });
  }
  const config = applyChanges({}, change);
  const host = hostPlatform(process.arch);
  const platform = options.platform === undefined ? host : parsePlatform(options.platform, host);
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const comment = message ?? `Imported from ${shown(source)}`;
  await interruptible(async (signal) => {
    using archive = await openSource(store, source, signal);
    const made = importImage(archive, { platform, config, comment, created: new Date() });
    const settings = { store, identity: currentIdentity(), platform, quiet, tlsVerify: true };
    const { registry } = made;
    const reference = name ?? namelessReference(made.manifest);
    const job = { ...settings, registry, signal, verb: "import" as const };
    const { record } = await pullImage(reference, job);
    printResult(record.config);
  });
  return 0;
}

async function openSource(
  store: StorePaths,
  source: string,
  signal: AbortSignal,
): Promise<OpenArchive> {
  if (!isUrl(source)) {
    return await openArchive(store, source === "-" ? undefined : source, signal);
  }
  const doing = `Cannot get ${shown(source)}`;
  let response: Response;
  try {
    response = await fetch(source, { signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new HbError(doing, { cause: error });
  }
  if (!response.ok || response.body === null) {
    throw new HbError(`${doing}: ${response.status} ${response.statusText}`.trimEnd());
  }
  return await spool(store, decompress(response.body as AsyncIterable<Uint8Array>), signal);
}

/** A URL's user, password and query are nobody's business but its server's. */
function shown(source: string): string {
  const url = isUrl(source) ? URL.parse(source) : null;
  return url === null ? source : `${url.origin}${url.pathname}`;
}

function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}
