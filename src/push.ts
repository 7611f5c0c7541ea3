/**
 * An image from the store into a registry: layers, config, and the manifest last, so that a name
 * there never leads to anything that is not there.
 *
 * The registry is first asked for every layer by the digest it had when it was pulled, and by that
 * of the last push (store/pushed.ts). Only what it lacks is written again: the same tar
 * (layer/rebuild.ts), but compressed by us, and so another blob. Then the manifest is another one,
 * too; the config, the image's id, never changes.
 */

import { closeSync } from "node:fs";
import { HbError } from "./errors.ts";
import { type Layer, pairLayers, parseConfig } from "./image/config.ts";
import type { Descriptor } from "./image/descriptor.ts";
import { type Digest, digestHex, digestOf, shortDigest } from "./image/digest.ts";
import { type Manifest, parseDocument } from "./image/manifest.ts";
import { compressedType, layerCompression } from "./image/media-type.ts";
import { familiarName, parseReference, type Reference } from "./image/reference.ts";
import { compressInto } from "./layer/compress.ts";
import { rebuildLayer } from "./layer/rebuild.ts";
import { openProgress, type PullProgress, silentProgress } from "./output/progress.ts";
import { writeChunk } from "./output/sink.ts";
import type { WritableRegistry } from "./registry/client.ts";
import type { Uploader } from "./registry/upload.ts";
import { readBlob } from "./store/blobs.ts";
import { type ImageRecord, listImages } from "./store/images.ts";
import { HeldLayers } from "./store/layers.ts";
import { layerSource, type StorePaths } from "./store/layout.ts";
import { notePushed, type PushedBlob, readPushed } from "./store/pushed.ts";
import { openScratch } from "./store/scratch.ts";

/** Few: each compresses, which takes a core, and then waits for the network. */
const layersAtOnce = 3;
/** Repositories that are tried as a layer's source: each is a request. */
const sourcesMax = 4;

export interface PushJob {
  /** The caller's own, for what is written. */
  readonly store: StorePaths;
  /** The one that has the image. */
  readonly source: StorePaths;
  readonly record: ImageRecord;
  readonly target: Reference;
  readonly registry: WritableRegistry;
  readonly quiet: boolean;
  readonly mapFlags: readonly string[];
  readonly signal: AbortSignal;
}

/** Pushes the image and returns its manifest's descriptor there. */
export async function pushImage(job: PushJob): Promise<Descriptor> {
  const failed = new AbortController();
  const signal = AbortSignal.any([job.signal, failed.signal]);
  try {
    return await new Push({ ...job, signal }, failed).run();
  } catch (error) {
    if (job.signal.aborted) throw job.signal.reason;
    throw new HbError(`Cannot push ${familiarName(job.target)}`, { cause: error });
  }
}

class Push {
  readonly #job: PushJob;
  readonly #failed: AbortController;
  readonly #uploader: Uploader;
  readonly #progress: PullProgress;
  #neighbours: readonly Neighbour[] | undefined;

  constructor(job: PushJob, failed: AbortController) {
    this.#job = job;
    this.#failed = failed;
    this.#uploader = job.registry.uploader(job.target, job.signal);
    this.#progress = job.quiet ? silentProgress : openProgress();
  }

  async run(): Promise<Descriptor> {
    const { source, record, target } = this.#job;
    const bytes = readBlob(source, record.manifest);
    const manifest = parseDocument(bytes, "");
    if (manifest.kind === "index") throw new HbError("its manifest is an index");
    const config = readBlob(source, record.config);
    const layers = pairLayers(manifest, parseConfig(config));
    using held = new HeldLayers(source);
    const there = await this.#pushLayers(layers, held);
    if (!(await this.#uploader.has(manifest.config))) {
      await this.#uploader.put(manifest.config, contentOf(config));
    }
    const document = replaceLayers(bytes, manifest, there);
    const { mediaType } = manifest;
    const descriptor = { mediaType, digest: digestOf(document), size: document.length };
    await this.#uploader.putManifest(target.tag ?? descriptor.digest, descriptor, document);
    return descriptor;
  }

  /** Brings all layers there, several at once; each under the digest it has there. */
  async #pushLayers(
    layers: readonly Layer[],
    held: HeldLayers,
  ): Promise<ReadonlyMap<Digest, Descriptor>> {
    const there = new Map<Digest, Descriptor>();
    const queue = [...new Map(layers.map((layer) => [layer.descriptor.digest, layer])).values()];
    this.#progress.begin(
      queue.map(({ descriptor: { digest, size } }) => ({ id: shortDigest(digest), total: size })),
    );
    const work = async (): Promise<void> => {
      for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
        this.#job.signal.throwIfAborted();
        there.set(layer.descriptor.digest, await this.#pushLayer(layer, held));
      }
    };
    const workers = Array.from({ length: layersAtOnce }, () =>
      work().catch((error: unknown) => this.#failed.abort(error)),
    );
    await Promise.all(workers);
    this.#progress.end();
    this.#job.signal.throwIfAborted();
    return there;
  }

  async #pushLayer(layer: Layer, held: HeldLayers): Promise<Descriptor> {
    const { descriptor, diffID } = layer;
    const { store, target } = this.#job;
    const id = shortDigest(descriptor.digest);
    const name = digestHex(diffID);
    const mediaType = compressedType(descriptor.mediaType);
    const before = readPushed(store, name).find((blob) => blob.mediaType === mediaType);
    try {
      const { digest = descriptor.digest, size = descriptor.size } = before ?? {};
      const other = { ...descriptor, mediaType, digest, size };
      const there = (await this.#isThere(descriptor, before, id))
        ? descriptor
        : digest !== descriptor.digest && (await this.#isThere(other, before, id))
          ? other
          : await this.#write(layer, id, held);
      notePushed(store, name, there, `${target.registry}/${target.repository}`);
      return there;
    } catch (error) {
      if (this.#job.signal.aborted) throw this.#job.signal.reason;
      this.#progress.update(id, "failed");
      throw new HbError(`layer ${id}`, { cause: error });
    }
  }

  /** Whether the repository has the blob, or gets it now from another one of that registry. */
  async #isThere(blob: Descriptor, before: PushedBlob | undefined, id: string): Promise<boolean> {
    if (await this.#uploader.has(blob)) {
      this.#progress.update(id, "present");
      return true;
    }
    const pushed = before?.digest === blob.digest ? before.repositories : [];
    for (const repository of this.#sources(blob.digest, pushed)) {
      if (!(await this.#uploader.mount(blob, repository))) continue;
      this.#progress.update(id, "mounted");
      return true;
    }
    return false;
  }

  /** Repositories that should have the blob: pushed there, or of images that came from there. */
  #sources(digest: Digest, pushed: readonly string[]): readonly string[] {
    const { registry, repository: own } = this.#job.target;
    this.#neighbours ??= neighboursOf(this.#job);
    const having = this.#neighbours.filter(({ manifest }) => manifest.includes(digest));
    const prefix = `${registry}/`;
    const places = pushed
      .filter((place) => place.startsWith(prefix))
      .map((place) => place.slice(prefix.length));
    const all = [...places, ...having.map(({ repository }) => repository)];
    return [...new Set(all)].filter((repository) => repository !== own).slice(0, sourcesMax);
  }

  /** Writes the layer's tar again, compressed as it was or by gzip, and uploads it if need be. */
  async #write({ descriptor, diffID }: Layer, id: string, held: HeldLayers): Promise<Descriptor> {
    const { store, source, mapFlags, signal } = this.#job;
    const name = digestHex(diffID);
    if (!held.hold(name)) throw new HbError("it is missing", { hint: "pull the image again" });
    const layer = layerSource(source, name);
    this.#progress.update(id, "preparing");
    const tar = rebuildLayer({ layer, diffID, mapFlags, signal });
    const fd = openScratch(store);
    try {
      const made = { ...descriptor, ...(await writeCompressed(fd, tar, descriptor.mediaType)) };
      if (await this.#uploader.has(made)) {
        this.#progress.update(id, "present");
        return made;
      }
      const { size } = made;
      this.#progress.resize(id, size);
      this.#progress.update(id, "pushing");
      // By its descriptor: the file has no name any more.
      const file = Bun.file(`/proc/self/fd/${fd}`);
      const content = { size, slice: (start: number, end: number) => file.slice(start, end) };
      let position = 0;
      await this.#uploader.put(made, content, (bytes) => {
        this.#progress.received(id, bytes - position);
        position = bytes;
      });
      this.#progress.update(id, "pushed");
      return made;
    } finally {
      closeSync(fd);
    }
  }
}

/** An image here of another repository of the registry. */
interface Neighbour {
  readonly repository: string;
  /** Its manifest's text. */
  readonly manifest: string;
}

function neighboursOf({ store, source, target }: PushJob): readonly Neighbour[] {
  return [...new Set([store, source])].flatMap((each) =>
    listImages(each).flatMap(({ record }) => {
      const { registry, repository } = parseReference(record.reference);
      if (registry !== target.registry || repository === target.repository) return [];
      return [{ repository, manifest: new TextDecoder().decode(readBlob(each, record.manifest)) }];
    }),
  );
}

/**
 * Compresses `tar` as `wanted` says; always the same bytes from the same tar. A plain tar, as a
 * commit, an import or an archive made it, is for the store: through a network it goes with gzip.
 */
async function writeCompressed(
  fd: number,
  tar: AsyncIterable<Uint8Array>,
  wanted: string,
): Promise<Pick<Descriptor, "mediaType" | "digest" | "size">> {
  const mediaType = compressedType(wanted);
  const compression = layerCompression(mediaType) ?? "none";
  return { mediaType, ...(await compressInto((chunk) => writeChunk(fd, chunk), tar, compression)) };
}

/** The manifest with the layers' digests as they are there; the very bytes if nothing changed. */
function replaceLayers(
  bytes: Uint8Array,
  manifest: Manifest,
  there: ReadonlyMap<Digest, Descriptor>,
): Uint8Array {
  const isSame = manifest.layers.every(({ digest }) => there.get(digest)?.digest === digest);
  if (isSame) return bytes;
  const document = JSON.parse(new TextDecoder().decode(bytes)) as {
    layers: Pick<Descriptor, "mediaType" | "digest" | "size">[];
  };
  for (const layer of document.layers) {
    const { mediaType, digest, size } = there.get(layer.digest) ?? layer;
    Object.assign(layer, { mediaType, digest, size });
  }
  return Buffer.from(JSON.stringify(document));
}

function contentOf(bytes: Uint8Array) {
  const blob = new Blob([Uint8Array.from(bytes)]);
  return { size: bytes.length, slice: (start: number, end: number) => blob.slice(start, end) };
}
