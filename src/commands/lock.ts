/** `hb lock`: what references mean now, into a file that `--locked` holds to. */

import { renameSync, rmSync, writeFileSync } from "node:fs";
import { credentialsFor } from "../credentials/given.ts";
import { HbError, UsageError } from "../errors.ts";
import { interruptible } from "../host/interrupt.ts";
import { parseName, tellAlias } from "../host/short-names.ts";
import { parseConfig } from "../image/config.ts";
import type { Digest } from "../image/digest.ts";
import { parseDocument } from "../image/manifest.ts";
import { formatPlatform } from "../image/platform.ts";
import { familiarName, formatReference, type Reference } from "../image/reference.ts";
import { formatLockFile, type LockedImage, readLockFile } from "../lock-file.ts";
import type { LockOptions } from "../options/store.ts";
import { printNotice, printResult } from "../output.ts";
import { openRegistry, type Registry } from "../registry/client.ts";

/** Locks the images named, or anew all that are in the file; others in the file stay. */
export async function lock({ images, file, tlsVerify, quiet }: LockOptions): Promise<number> {
  const before = readLockFile(file) ?? {};
  const texts = images.length > 0 ? images : Object.keys(before);
  if (texts.length === 0) {
    throw new UsageError(`hb lock needs an image: "${file}" has none to be locked anew`, {
      hint: "see 'hb help lock'",
    });
  }
  const references = texts.map((text) => parseName(text));
  for (const text of texts) tellAlias(text, printNotice);
  const locked = await interruptible(async (signal) => {
    const notice = printNotice;
    const credentials = await credentialsFor({ notice, signal });
    const registry = openRegistry({ tlsVerify, notice, credentials });
    return await Promise.all(
      references.map(async (reference) => {
        return { reference, image: await resolve(registry, reference, signal) };
      }),
    );
  });
  const entries = locked.map(
    ({ reference, image }) => [formatReference(reference), image] as const,
  );
  write(file, formatLockFile({ ...before, ...Object.fromEntries(entries) }));
  for (const { reference, image } of quiet ? [] : locked) {
    printResult(`${familiarName(reference)} ${image.digest}`);
  }
  return 0;
}

async function resolve(
  registry: Registry,
  reference: Reference,
  signal: AbortSignal,
): Promise<LockedImage> {
  try {
    const { bytes, mediaType, digest } = await registry.resolve(reference, { signal });
    const document = parseDocument(bytes, mediaType);
    if (document.kind === "index") {
      // Attestations and their like are of no platform, or of "unknown".
      const platforms = document.manifests.flatMap(({ platform, digest: manifest }) => {
        const isReal = platform !== undefined && platform.os !== "unknown";
        return isReal ? [[formatPlatform(platform), manifest] as const] : [];
      });
      // An index may name a platform more than once: the first one counts, as in a pull.
      const first = Object.fromEntries<Digest>(platforms.toReversed());
      return { digest, platforms: first };
    }
    const config = await registry.fetchDocument(reference, document.config, { signal });
    return { digest, platforms: { [formatPlatform(parseConfig(config.bytes).platform)]: digest } };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new HbError(`Cannot lock ${familiarName(reference)}`, { cause: error });
  }
}

/** As a whole or not at all: a reader sees the old file or the new one. */
function write(file: string, text: string): void {
  const temporary = `${file}.${process.pid}`;
  try {
    writeFileSync(temporary, text, { flag: "wx" });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new HbError(`Cannot write "${file}"`, { cause: error });
  }
}
