/** `hb pull`: images from their registries into the store. */

import { additionalStores } from "../additional.ts";
import { credentialsFor, givenFor } from "../credentials/given.ts";
import { formatError, HbError } from "../errors.ts";
import { currentIdentity } from "../host/identity.ts";
import { interruptible } from "../host/interrupt.ts";
import { parseName, parseRepositoryName, tellAlias } from "../host/short-names.ts";
import { parseDuration } from "../image/duration.ts";
import { hostPlatform, parsePlatform } from "../image/platform.ts";
import { familiarName, formatReference, type Reference } from "../image/reference.ts";
import { lockedReference } from "../lock-file.ts";
import type { PullOptions } from "../options.ts";
import { openProgress, silentProgress } from "../output/progress.ts";
import { printNotice, printResult } from "../output.ts";
import { type PulledImage, pullImage } from "../pull.ts";
import { type BrowsableRegistry, openRegistry } from "../registry/client.ts";
import { currentStore } from "../store/layout.ts";

/** More than a few would only share the same link. */
const imagesAtOnce = 3;

/**
 * Ends stdout with each canonical reference, as docker does; `-q` prints the digests and no more.
 * Images are fetched side by side and reported in the order they were named.
 */
export async function pull(options: PullOptions): Promise<number> {
  const timeoutMs = options.timeout === undefined ? undefined : parseTimeout(options.timeout);
  return await interruptible((signal) =>
    withDeadline(signal, timeoutMs, (until) => pullAll(options, until)),
  );
}

async function pullAll(options: PullOptions, signal: AbortSignal): Promise<number> {
  const { images, allTags, quiet, tlsVerify, cacert, creds, locked } = options;
  const host = hostPlatform(process.arch);
  const platform = options.platform === undefined ? host : parsePlatform(options.platform, host);
  const asked = images.map((text) => (allTags ? parseRepositoryName(text) : parseName(text)));
  for (const text of images) tellAlias(text, printNotice);
  const notice = printNotice;
  const registries = asked.map((reference) => reference.registry);
  const given = givenFor(creds, registries);
  const credentials = await credentialsFor({ given, notice, signal });
  const registry = openRegistry({ tlsVerify, cacert, notice, credentials });
  const named = allTags ? await everyTag(asked, registry, signal) : asked;
  const references =
    locked === undefined ? named : named.map((each) => lockedReference(each, locked));
  const progress = quiet ? silentProgress : openProgress();
  const others = additionalStores(options.store);
  const common = { store: currentStore(), identity: currentIdentity(), platform, others };
  const settings = { ...common, quiet, tlsVerify, registry, progress, signal };
  const queue = [...references.keys()];
  const outcomes: Outcome[] = [];
  const work = async (): Promise<void> => {
    for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
      const reference = references[at];
      if (reference === undefined) continue;
      outcomes[at] = await pullImage(reference, settings).then(
        (image) => ({ reference, image }),
        (error: unknown) => ({ reference, error }),
      );
      signal.throwIfAborted();
    }
  };
  try {
    await Promise.all(Array.from({ length: imagesAtOnce }, work));
  } finally {
    progress.end();
  }
  return report(outcomes, quiet);
}

type Outcome = { readonly reference: Reference } & (
  | { readonly image: PulledImage }
  | { readonly error: unknown }
);

/** Every tag of the repositories, or an error where there is none. */
async function everyTag(
  repositories: readonly Reference[],
  registry: BrowsableRegistry,
  signal: AbortSignal,
): Promise<Reference[]> {
  const references: Reference[] = [];
  for (const repository of repositories) {
    const before = references.length;
    for await (const tag of registry.listTags(repository, { signal })) {
      references.push({ ...repository, tag });
    }
    if (references.length > before) continue;
    throw new HbError(`Cannot pull ${familiarName(repository).replace(/:latest$/, "")}: no tags`);
  }
  return references;
}

/** What has come; then the failures, the last of them as the command's own. */
function report(outcomes: readonly Outcome[], quiet: boolean): number {
  const errors: unknown[] = [];
  for (const outcome of outcomes) {
    if ("error" in outcome) errors.push(outcome.error);
    else if (quiet) printResult(outcome.image.digest);
    else printPulled(outcome.reference, outcome.image);
  }
  const last = errors.pop();
  for (const error of errors) {
    if (!(error instanceof HbError)) throw error;
    printNotice(formatError(error));
  }
  if (last !== undefined) throw last;
  return 0;
}

function printPulled(reference: Reference, { digest, isNew }: PulledImage): void {
  printResult(`Digest: ${digest}`);
  const status = isNew ? "Downloaded newer image" : "Image is up to date";
  printResult(`Status: ${status} for ${familiarName(reference)}`);
  printResult(formatReference(reference));
}

/** Go's notation, or seconds. */
function parseTimeout(text: string): number {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  // setTimeout takes 31 bits.
  if (ms !== undefined && ms > 0 && ms < 2 ** 31) return ms;
  throw new HbError(`Cannot use --timeout "${text}"`, { hint: "write 90s, 5m or 1h" });
}

/** Runs `task` with a signal that also aborts when the time is over. */
async function withDeadline<T>(
  signal: AbortSignal,
  timeoutMs: number | undefined,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (timeoutMs === undefined) return await task(signal);
  const deadline = new AbortController();
  const error = new HbError(`Cannot pull: it took longer than ${timeoutMs / 1000} s (--timeout)`, {
    hint: "layers that are complete are kept for the next attempt",
  });
  const timer = setTimeout(() => deadline.abort(error), timeoutMs);
  try {
    return await task(AbortSignal.any([signal, deadline.signal]));
  } finally {
    clearTimeout(timer);
  }
}
