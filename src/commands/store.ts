/** `hb store export` and `import`: images to and from a directory that a cache can keep. */

import { mkdirSync, realpathSync } from "node:fs";
import { exportImages, openExport } from "../archive/export.ts";
import { ExportedImages } from "../archive/exported.ts";
import { formatError, HbError } from "../errors.ts";
import { currentIdentity, helperMapFlags } from "../host/identity.ts";
import { interruptible } from "../host/interrupt.ts";
import { parseName } from "../host/short-names.ts";
import { familiarName, formatReference, parseReference } from "../image/reference.ts";
import type { StoreOptions } from "../options/store.ts";
import { openProgress, silentProgress } from "../output/progress.ts";
import { printResult, printStatus } from "../output.ts";
import { pullImage } from "../pull.ts";
import { listImages, type StoredImage } from "../store/images.ts";
import { createStore, currentStore, type StorePaths } from "../store/layout.ts";
import { DirectoryLock, type LockMode, tryLock } from "../store/lock.ts";
import { selectImages } from "../store/select.ts";

/** A line for each image; what fails is said and counted, and the others go on. */
export async function store(options: StoreOptions): Promise<number> {
  const { verb } = options;
  return await interruptible((signal) =>
    verb === "export" ? exportTo(options, signal) : importFrom(options, signal),
  );
}

async function exportTo(options: StoreOptions, signal: AbortSignal): Promise<number> {
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const chosen = choose(store, options.images);
  const mapFlags = helperMapFlags(currentIdentity());
  const progress = options.quiet ? silentProgress : openProgress();
  const doing = `Cannot export to "${options.directory}"`;
  try {
    mkdirSync(options.directory, { recursive: true });
    const directory = realpathSync(options.directory);
    using _lock = lockDirectory(directory, "exclusive");
    openExport(directory);
    const job = { store, directory, images: chosen, mapFlags, progress, signal };
    const outcomes = await exportImages(job);
    for (const outcome of outcomes) {
      const name = nameOf(outcome.image);
      if ("exported" in outcome) printResult(`${name} ${outcome.exported.digest}`);
      else printFailure(new HbError(`Cannot export ${name}`, { cause: outcome.error }));
    }
    return outcomes.some((outcome) => "error" in outcome) ? 1 : 0;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw isErrno(error) ? new HbError(doing, { cause: error }) : error;
  } finally {
    progress.end();
  }
}

/** Every platform of the images, or of all there are. */
function choose(store: StorePaths, texts: readonly string[]): readonly StoredImage[] {
  if (texts.length === 0) return listImages(store);
  const chosen = new Map<string, StoredImage>();
  for (const text of texts) {
    const { images } = selectImages(store, text);
    if (images.length === 0) {
      throw new HbError(`No such image: ${text}`, { hint: "see 'hb images', or pull it first" });
    }
    for (const image of images) chosen.set(image.file, image);
  }
  return [...chosen.values()];
}

async function importFrom(options: StoreOptions, signal: AbortSignal): Promise<number> {
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const wanted = new Set(options.images.map((text) => formatReference(parseName(text))));
  const { source, lock } = openImport(options.directory);
  using _lock = lock;
  const isWanted = wanted.size === 0 ? () => true : (name: string) => wanted.has(name);
  const images = source.images.filter(({ reference }) => isWanted(formatReference(reference)));
  const common = { store, identity: currentIdentity(), quiet: options.quiet, tlsVerify: true };
  const settings = { ...common, verb: "import" as const, signal };
  let failures = 0;
  for (const image of images) {
    const { platform, reference } = image;
    wanted.delete(formatReference(reference));
    try {
      const registry = source.only(image);
      const { digest } = await pullImage(reference, { ...settings, platform, registry });
      printResult(`${familiarName(reference)} ${digest}`);
    } catch (error) {
      if (signal.aborted || !(error instanceof HbError)) throw error;
      printFailure(error);
      failures++;
    }
  }
  for (const name of wanted) {
    printFailure(new HbError(`No such image in "${options.directory}": ${name}`));
    failures++;
  }
  return failures > 0 ? 1 : 0;
}

function openImport(asked: string): { source: ExportedImages; lock: DirectoryLock } {
  let lock: DirectoryLock | undefined;
  try {
    const directory = realpathSync(asked);
    lock = lockDirectory(directory, "shared");
    return { source: new ExportedImages(directory), lock };
  } catch (error) {
    lock?.release();
    throw new HbError(`Cannot import from "${asked}"`, { cause: error });
  }
}

/** Several may read; who writes is alone. */
function lockDirectory(directory: string, mode: LockMode): DirectoryLock {
  const lock = tryLock(directory, mode);
  if (lock instanceof DirectoryLock) return lock;
  throw new HbError(`"${directory}" is being exported to or imported from`, {
    hint: "wait for the end of that",
  });
}

function nameOf({ record }: StoredImage): string {
  return familiarName(parseReference(record.reference));
}

function printFailure(error: HbError): void {
  printStatus(`hb: ${formatError(error)}`);
}

function isErrno(error: unknown): boolean {
  return error instanceof Error && "code" in error;
}
