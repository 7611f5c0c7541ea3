/** `hb import`: an image of one layer from a tar of files. */

import { basename } from "node:path/posix";
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
import { openProgress, type PullProgress, silentProgress } from "../output/progress.ts";
import { printNotice, printResult } from "../output.ts";
import { pullImage } from "../pull.ts";
import { download } from "../registry/download.ts";
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
    using archive = await openSource(store, options, signal);
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
  options: ImportOptions,
  signal: AbortSignal,
): Promise<OpenArchive> {
  const { source, cacert, tlsVerify, quiet } = options;
  if (!isUrl(source)) {
    return await openArchive(store, source === "-" ? undefined : source, signal);
  }
  const doing = `Cannot get ${shown(source)}`;
  const url = URL.parse(source);
  if (url === null) throw new HbError(`${doing}: that is no URL`);
  const progress = quiet ? silentProgress : openProgress();
  const id = basename(url.pathname) || url.host;
  progress.begin([{ id, total: 0 }]);
  progress.update(id, "pulling");
  const onSize = (bytes: number) => progress.resize(id, bytes);
  const notice = printNotice;
  const body = download(url, { doing, tlsVerify, cacert, notice, onSize, signal });
  try {
    const opened = await spool(store, decompress(counted(body, progress, id)), signal);
    progress.update(id, "done");
    return opened;
  } catch (error) {
    progress.update(id, "failed");
    throw error;
  } finally {
    progress.end();
  }
}

async function* counted(
  body: AsyncIterable<Uint8Array>,
  progress: PullProgress,
  id: string,
): AsyncGenerator<Uint8Array> {
  let received = 0;
  for await (const chunk of body) {
    received += chunk.length;
    progress.received(id, chunk.length);
    yield chunk;
  }
  progress.resize(id, received); // where the server has not told
}

/** A URL's user, password and query are nobody's business but its server's. */
function shown(source: string): string {
  const url = isUrl(source) ? URL.parse(source) : null;
  return url === null ? source : `${url.origin}${url.pathname}`;
}

function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}
