/**
 * Images of the store into a directory of plain files that belong to the caller: what a cache
 * between two machines keeps. The store itself is no such thing: a rootless one's files belong to
 * subordinate ids, and what is in it depends on who unpacked it.
 *
 * Afterwards the directory has these images and nothing else. Every file is named by its digest
 * and renamed into place; the list comes after all it names and before anything is removed, so that
 * a killed export leaves what was there, whole.
 */

import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { HbError } from "../errors.ts";
import { type Layer, pairLayers, parseConfig } from "../image/config.ts";
import {
  type Digest,
  digestAlgorithm,
  digestHex,
  digestMatches,
  isDigest,
  shortDigest,
} from "../image/digest.ts";
import { parseDocument } from "../image/manifest.ts";
import { compressInto } from "../layer/compress.ts";
import { rebuildLayer } from "../layer/rebuild.ts";
import type { PullProgress } from "../output/progress.ts";
import { writeChunk } from "../output/sink.ts";
import { readBlob } from "../store/blobs.ts";
import { wantedBy } from "../store/check.ts";
import type { StoredImage } from "../store/images.ts";
import { HeldLayers } from "../store/layers.ts";
import { layerSource, type StorePaths } from "../store/layout.ts";
import {
  type ExportedFile,
  type ExportedImage,
  type ExportList,
  formatList,
  listFile,
  readDocument,
  readLayer,
  readList,
} from "./directory.ts";
import { blobName } from "./layout.ts";

const noList: ExportList = { images: [], layers: new Map() };

export interface ExportJob {
  readonly store: StorePaths;
  /** Absolute; nobody else is at work in it. */
  readonly directory: string;
  readonly images: readonly StoredImage[];
  readonly mapFlags: readonly string[];
  readonly progress: PullProgress;
  readonly signal: AbortSignal;
}

/** What became of one image. */
export type ExportOutcome =
  | { readonly image: StoredImage; readonly exported: ExportedImage }
  | Failure;

interface Failure {
  readonly image: StoredImage;
  readonly error: HbError;
}

/** Makes `directory` one for exports, or says why it may not be. */
export function openExport(directory: string): void {
  mkdirSync(directory, { recursive: true });
  if (readList(directory) === undefined) {
    if (readdirSync(directory).length > 0) {
      throw new HbError(`"${directory}" is neither empty nor an export: it has no ${listFile}`, {
        hint: "name a directory of its own",
      });
    }
    mkdirSync(`${directory}/tmp`);
    // From here on it is known as ours, however this ends.
    writeList(directory, noList);
  }
  // A list that came out of a cache says nothing about links beside it.
  for (const name of ["tmp", "blobs", "blobs/sha256"]) ownDirectory(directory, name);
  for (const name of readdirSync(`${directory}/tmp`)) {
    if (temporaryName.test(name)) rmSync(`${directory}/tmp/${name}`);
  }
}

/** Exports the images, and takes away what none of them needs. */
export async function exportImages(job: ExportJob): Promise<readonly ExportOutcome[]> {
  return await new Export(job).run();
}

/** One image's parts, as the store has them. */
interface Parts {
  readonly image: StoredImage;
  readonly exported: ExportedImage;
  readonly documents: ReadonlyMap<Digest, Uint8Array>;
  readonly layers: readonly Layer[];
}

class Export {
  readonly #job: ExportJob;
  readonly #before: ExportList;
  /** By diffID: one file serves every blob of the same tar. */
  readonly #files = new Map<Digest, Promise<ExportedFile>>();

  constructor(job: ExportJob) {
    this.#job = job;
    this.#before = readList(job.directory) ?? noList;
  }

  async run(): Promise<readonly ExportOutcome[]> {
    const { directory, images, progress, signal, store } = this.#job;
    using held = new HeldLayers(store);
    const described = images.map((image) => describe(store, image));
    const parts = described.flatMap((each) => ("error" in each ? [] : [each]));
    await this.#writeLayers(parts, held);
    const layers = new Map<Digest, ExportedFile>();
    const documents = new Set<Digest>();
    const outcomes: ExportOutcome[] = [];
    for (const each of described) {
      signal.throwIfAborted();
      outcomes.push("error" in each ? each : await this.#finish(each, layers, documents));
    }
    progress.end();
    const exported = outcomes.flatMap((each) => ("error" in each ? [] : [each.exported]));
    writeList(directory, { images: exported, layers });
    const needed = new Set([...documents, ...[...layers.values()].map(({ digest }) => digest)]);
    removeOthers(directory, needed);
    return outcomes;
  }

  /** Every layer once, several side by side. */
  async #writeLayers(parts: readonly Parts[], held: HeldLayers): Promise<void> {
    const all = parts.flatMap(({ layers }) => layers);
    const queue = [...new Map(all.map((layer) => [layer.diffID, layer])).values()];
    this.#job.progress.begin(
      queue.map(({ descriptor: { digest, size } }) => ({ id: shortDigest(digest), total: size })),
    );
    const work = async (): Promise<void> => {
      for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
        const file = this.#layer(layer, held);
        this.#files.set(layer.diffID, file);
        // Whoever needs the layer is told; the others go on.
        await file.catch(() => undefined);
        if (this.#job.signal.aborted) return;
      }
    };
    await Promise.all(Array.from({ length: layersAtOnce() }, work));
    this.#job.signal.throwIfAborted();
  }

  async #layer({ descriptor, diffID }: Layer, held: HeldLayers): Promise<ExportedFile> {
    const { directory, mapFlags, progress, signal, store } = this.#job;
    const id = shortDigest(descriptor.digest);
    try {
      const before = this.#before.layers.get(descriptor.digest);
      if (before !== undefined && (await isWhole(directory, before))) {
        progress.update(id, "present");
        return before;
      }
      const name = digestHex(diffID);
      if (!held.hold(name)) throw new HbError("it is missing", { hint: "pull the image again" });
      progress.update(id, "preparing");
      const tar = rebuildLayer({ layer: layerSource(store, name), diffID, mapFlags, signal });
      const file = await writeLayer(directory, tar);
      progress.update(id, "written");
      return file;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      progress.update(id, "failed");
      throw new HbError(`layer ${id}`, { cause: error });
    }
  }

  /** The image's documents, once its layers are there. */
  async #finish(
    { image, exported, documents: own, layers: wanted }: Parts,
    layers: Map<Digest, ExportedFile>,
    documents: Set<Digest>,
  ): Promise<ExportOutcome> {
    const { directory } = this.#job;
    try {
      const files = new Map<Digest, ExportedFile>();
      for (const { descriptor, diffID } of wanted) {
        const file = await this.#files.get(diffID);
        if (file !== undefined) files.set(descriptor.digest, file);
      }
      for (const [digest, bytes] of own) {
        const there = readDocument(directory, digest);
        if (there === undefined || !digestMatches(digest, there)) {
          replaceFile(directory, placeOf(directory, digest), bytes);
        }
        documents.add(digest);
      }
      for (const [digest, file] of files) layers.set(digest, file);
      return { image, exported };
    } catch (error) {
      if (error instanceof HbError) return { image, error };
      throw error;
    }
  }
}

function describe(store: StorePaths, image: StoredImage): Parts | Failure {
  try {
    return partsOf(store, image);
  } catch (error) {
    if (error instanceof HbError) return { image, error };
    throw error;
  }
}

function partsOf(store: StorePaths, image: StoredImage): Parts {
  const { record, file } = image;
  const wanted = wantedBy(store, file);
  if (wanted === undefined) throw new HbError(`"${file}" is no image's record`);
  const bytes = readBlob(store, record.manifest);
  const manifest = parseDocument(bytes, "");
  if (manifest.kind === "index") throw new HbError("its manifest is an index");
  const config = readBlob(store, record.config);
  const documents = new Map([
    [record.manifest, bytes],
    [record.config, config],
  ]);
  if (record.index !== undefined) documents.set(record.index, readBlob(store, record.index));
  const digest = record.index ?? record.manifest;
  const layers = pairLayers(manifest, parseConfig(config));
  return { image, exported: { ...wanted, digest }, documents, layers };
}

async function isWhole(directory: string, file: ExportedFile): Promise<boolean> {
  try {
    for await (const _ of readLayer(directory, file));
    return true;
  } catch (error) {
    if (error instanceof HbError) return false;
    throw error;
  }
}

async function writeLayer(
  directory: string,
  tar: AsyncIterable<Uint8Array>,
): Promise<ExportedFile> {
  const temporary = newTemporary(directory);
  const fd = openSync(temporary, "wx", 0o666);
  try {
    const file = await compressInto((chunk) => writeChunk(fd, chunk), tar, "zstd");
    renameSync(temporary, placeOf(directory, file.digest));
    return file;
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

function writeList(directory: string, list: ExportList): void {
  replaceFile(directory, `${directory}/${listFile}`, Buffer.from(formatList(list)));
}

function replaceFile(directory: string, file: string, bytes: Uint8Array): void {
  const temporary = newTemporary(directory);
  try {
    writeFileSync(temporary, bytes, { flag: "wx" });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

const temporaryName = /^[0-9a-f-]{36}$/;

function newTemporary(directory: string): string {
  return `${directory}/tmp/${crypto.randomUUID()}`;
}

function placeOf(directory: string, digest: Digest): string {
  ownDirectory(directory, `blobs/${digestAlgorithm(digest)}`);
  return `${directory}/${blobName(digest)}`;
}

/** Makes the directory; a link in its place would have us write and remove anywhere. */
function ownDirectory(directory: string, name: string): void {
  const path = `${directory}/${name}`;
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) mkdirSync(path);
  else if (!stat.isDirectory()) throw new HbError(`"${path}" is no directory`);
}

/** Only what an export can have put there: whatever else is in the directory is not ours. */
function removeOthers(directory: string, needed: ReadonlySet<Digest>): void {
  for (const algorithm of ["sha256", "sha512"]) {
    const path = `${directory}/blobs/${algorithm}`;
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) continue;
    for (const hex of readdirSync(path)) {
      const digest = `${algorithm}:${hex}`;
      if (isDigest(digest) && !needed.has(digest)) rmSync(`${path}/${hex}`);
    }
  }
}

/** Each compresses, which takes a core. */
function layersAtOnce(): number {
  return Math.min(4, availableParallelism());
}
