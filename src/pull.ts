/**
 * An image from a registry into the store: resolve, fetch, verify, unpack, record.
 *
 * The record is written last and everything before it is content-addressed, so an image is in the
 * store whole or not at all. Layers are held by shared locks from the moment they are there until
 * the record names them; a concurrent prune therefore leaves them alone. A layer that was committed
 * before a pull failed stays for the next attempt, and `hb prune` takes it otherwise.
 */

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { linkFrom } from "./additional.ts";
import { formatError, HbError } from "./errors.ts";
import { helperMapFlags, type Identity, layerForm } from "./host/identity.ts";
import { type ImageConfig, pairLayers, parseConfig } from "./image/config.ts";
import { type Digest, digestHex, shortDigest } from "./image/digest.ts";
import type { Manifest } from "./image/manifest.ts";
import { type Index, indexDepthMax, parseDocument, selectManifest } from "./image/manifest.ts";
import {
  type Amd64Level,
  amd64Level,
  formatPlatform,
  matchPlatform,
  type Platform,
} from "./image/platform.ts";
import { familiarName, formatReference, type Reference } from "./image/reference.ts";
import { type StackedLayer, stackOf } from "./image/stack.ts";
import { discardUnfit } from "./intact.ts";
import { CorruptLayerError } from "./layer/decompress.ts";
import { completeLayer, type UnpackCounts, unpackLayer } from "./layer/unpack.ts";
import { openProgress, type PullProgress, silentProgress } from "./output/progress.ts";
import { printNotice } from "./output.ts";
import { openRegistry, type Registry } from "./registry/client.ts";
import type { FindCredential } from "./registry/credential.ts";
import { RegistryError } from "./registry/registry-error.ts";
import { putBlobs } from "./store/blobs.ts";
import { forgetIfLost } from "./store/elsewhere.ts";
import { findImage, type ImageRecord, writeImage } from "./store/images.ts";
import { collectLayers, HeldLayers, layerSize, pendingIn } from "./store/layers.ts";
import {
  createStore,
  imageRecordPath,
  layerDiffPath,
  layerPath,
  type StorePath,
  type StorePaths,
  stagingPath,
  storeError,
} from "./store/layout.ts";
import { sweep } from "./store/sweep.ts";

export interface PullSettings {
  readonly store: StorePaths;
  readonly identity: Identity;
  readonly platform: Platform;
  /** Only results and notices are printed. */
  readonly quiet: boolean;
  readonly tlsVerify: boolean;
  /** Who asks; nobody in particular when absent. */
  readonly credentials?: FindCredential;
  readonly cacert?: string | undefined;
  /** Where documents and blobs come from; the reference's own registry when absent. */
  readonly registry?: Registry;
  /** Stores that are only read: layers that one of them has are not fetched. */
  readonly others?: readonly StorePaths[];
  /** Of several pulls; its owner ends it. One of this pull's own when absent. */
  readonly progress?: PullProgress;
  /** What the user asked for, for messages; a pull if absent. */
  readonly verb?: "load" | "import" | "commit";
  /** Aborts the pull; its reason is thrown. */
  readonly signal: AbortSignal;
}

export interface PulledImage {
  readonly record: ImageRecord;
  /** What the reference names: the index where there is one, else the manifest. */
  readonly digest: Digest;
  /** False when the store had this very image. */
  readonly isNew: boolean;
}

/** Pulls `reference`, or throws having left nothing but whole layers. */
export async function pullImage(
  reference: Reference,
  settings: PullSettings,
): Promise<PulledImage> {
  const { store, identity, quiet } = settings;
  const mapFlags = helperMapFlags(identity);
  const keepBudget = await budget(quiet);
  createStore(store, process.geteuid?.() ?? 0);
  const resisting = sweep(store, mapFlags);
  if (resisting !== undefined) printNotice(formatError(resisting));
  const pull = new Pull(reference, settings, mapFlags);
  try {
    const pulled = await pull.run();
    keepBudget(store, imageRecordPath(store, reference, settings.platform), mapFlags);
    return pulled;
  } catch (error) {
    // A terminal's Ctrl-C ends the helpers, too, before they can remove what they were making.
    sweep(store, mapFlags);
    if (settings.signal.aborted) throw settings.signal.reason;
    const verb = settings.verb ?? "pull";
    throw new HbError(`Cannot ${verb} ${familiarName(reference)}`, { cause: error });
  }
}

/** What keeps the store to HB_STORE_MAX; nothing where that is not set. A bad value is said now. */
async function budget(
  quiet: boolean,
): Promise<(store: StorePaths, pulled: StorePath, mapFlags: readonly string[]) => void> {
  const text = process.env.HB_STORE_MAX ?? "";
  if (text === "") return () => undefined;
  const { keepBudget, parseBudget } = await import("./budget.ts");
  const maxBytes = parseBudget(text);
  return (store, pulled, mapFlags) => keepBudget(store, pulled, mapFlags, { maxBytes, quiet });
}

/** An image's documents, every one checked against the digest that names it. */
interface Documents {
  readonly index: Digest | undefined;
  readonly manifest: Digest;
  readonly config: Digest;
  readonly image: ImageConfig;
  /** Bottom first, each once: see `topmostOfEach`. */
  readonly layers: readonly StackedLayer[];
  readonly blobs: ReadonlyMap<Digest, Uint8Array>;
}

/** One pull: what its steps share. */
class Pull {
  readonly #reference: Reference;
  readonly #settings: PullSettings;
  readonly #mapFlags: readonly string[];
  readonly #registry: Registry;
  readonly #progress: PullProgress;
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal;
  readonly #fetchedAgain = new Set<StackedLayer>();
  /** Layers that lost data or have no recipe, be it in another store: the registry has them. */
  #discarded: ReadonlySet<string> = new Set();
  #mirrorsFailed = false;
  #squashed = 0;

  constructor(reference: Reference, settings: PullSettings, mapFlags: readonly string[]) {
    this.#reference = reference;
    this.#settings = settings;
    this.#mapFlags = mapFlags;
    this.#signal = AbortSignal.any([settings.signal, this.#failed.signal]);
    const { cacert, credentials, tlsVerify } = settings;
    const who = credentials === undefined ? {} : { credentials };
    const how = { tlsVerify, cacert, notice: printNotice, ...who };
    this.#registry = settings.registry ?? openRegistry(how);
    this.#progress = settings.progress ?? (settings.quiet ? silentProgress : openProgress());
  }

  async run(): Promise<PulledImage> {
    const { store, platform } = this.#settings;
    const documents = await this.#resolve();
    this.#checkPlatform(documents.image.platform);
    using held = new HeldLayers(store);
    const before = findImage(store, this.#reference, platform);
    const needed = documents.layers.map(({ name }) => name);
    this.#discarded = await discardUnfit(needed, { store, mapFlags: this.#mapFlags });
    await this.#fetchLayers(documents.layers, held);
    const isSame =
      before?.manifest === documents.manifest &&
      before.layers.every((name) => this.#has(name, held));
    const names = isSame ? before.layers : await this.#stackLayers(documents.layers, held);
    const record: ImageRecord = {
      reference: formatReference(this.#reference),
      platform: documents.image.platform,
      manifest: documents.manifest,
      ...(documents.index === undefined ? {} : { index: documents.index }),
      config: documents.config,
      ...dated(documents.image.created),
      layers: names,
      sizeBytes: names.reduce((sum, name) => sum + layerSize(store, name), 0),
      pulledAt: new Date().toISOString(),
    };
    this.#signal.throwIfAborted();
    this.#commit(documents, record);
    this.#reportSquashed();
    if (before !== undefined) this.#dropReplaced(before, record, held);
    const digest = documents.index ?? documents.manifest;
    return { record, digest, isNew: !isSameImage(before, record) };
  }

  /** Reference -> index -> manifest -> config. */
  async #resolve(): Promise<Documents> {
    const blobs = new Map<Digest, Uint8Array>();
    const options = { signal: this.#signal };
    const root = await this.#registry.resolve(this.#reference, options);
    // Registries are held to it by their client; an archive or a directory may say anything.
    if (root.digest !== (this.#reference.digest ?? root.digest)) {
      throw new HbError(`it is ${root.digest}, not what its name says`);
    }
    blobs.set(root.digest, root.bytes);
    let digest = root.digest;
    let document: Index | Manifest = parseDocument(root.bytes, root.mediaType);
    const index = document.kind === "index" ? root.digest : undefined;
    for (let depth = 0; document.kind === "index"; depth++) {
      if (depth === indexDepthMax) {
        throw new HbError(`The image is an index of indexes, more than ${indexDepthMax} deep`);
      }
      const chosen = selectManifest(document, this.#settings.platform, hostLevel());
      const fetched = await this.#registry.fetchDocument(this.#reference, chosen, options);
      document = parseDocument(fetched.bytes, fetched.mediaType);
      digest = chosen.digest;
      blobs.set(digest, fetched.bytes);
    }
    const config = document.config.digest;
    const { bytes } = await this.#registry.fetchDocument(this.#reference, document.config, options);
    blobs.set(config, bytes);
    const image = parseConfig(bytes);
    return {
      index,
      manifest: digest,
      config,
      image,
      layers: stackOf(pairLayers(document, image)),
      blobs,
    };
  }

  /** An image without an index is what it is; that it will not run here is worth a line. */
  #checkPlatform(actual: Platform): void {
    const { platform } = this.#settings;
    const { amd64Level: level } = hostLevel();
    const ours = level === undefined ? platform : { ...platform, variant: `v${level}` };
    const wanted = platform.architecture === "amd64" && !platform.variant ? ours : platform;
    if (matchPlatform(wanted, actual) !== undefined) return;
    printNotice(`the image is for ${formatPlatform(actual)}, not for ${formatPlatform(platform)}`);
  }

  /** Brings all layers into the store, several at once; the first failure stops the others. */
  async #fetchLayers(layers: readonly StackedLayer[], held: HeldLayers): Promise<void> {
    // Largest first: begun last, it would be unpacked alone.
    const queue = layers.toSorted((a, b) => b.descriptor.size - a.descriptor.size);
    this.#progress.begin(
      layers.map(({ descriptor }) => ({ id: idOf(descriptor.digest), total: descriptor.size })),
    );
    const work = async (): Promise<void> => {
      for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
        this.#signal.throwIfAborted();
        await this.#fetchLayer(layer, held);
      }
    };
    const workers = Array.from({ length: layersAtOnce() }, () =>
      work().catch((error: unknown) => {
        // Only the first reason counts: what the others then throw follows from it.
        this.#failed.abort(error);
      }),
    );
    await Promise.all(workers);
    if (this.#settings.progress === undefined) this.#progress.end();
    this.#signal.throwIfAborted();
  }

  async #fetchLayer(layer: StackedLayer, held: HeldLayers): Promise<void> {
    const id = idOf(layer.descriptor.digest);
    try {
      // More than once only if somebody removes the layer as soon as it is there.
      for (;;) {
        if (this.#has(layer.name, held)) return this.#progress.update(id, "present");
        const counts = await this.#unpack(layer, () => held.hold(layer.name));
        if (counts === undefined) continue;
        this.#squashed += counts.squashed;
        if (held.hold(layer.name)) return this.#progress.update(id, "done");
      }
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      if (!this.#fetchedAgain.has(layer) && this.#isMirrorsFault(error)) {
        this.#fetchedAgain.add(layer);
        return await this.#fetchLayer(layer, held);
      }
      this.#progress.update(id, "failed");
      throw new HbError(`layer ${id}`, { cause: error });
    }
  }

  /** Whether the layer is here, be it by a link to another store, and locked from here on. */
  #has(name: string, held: HeldLayers): boolean {
    const { store, others: stores = [] } = this.#settings;
    forgetIfLost(store, name, this.#mapFlags);
    if (held.hold(name)) return true;
    if (this.#discarded.has(name)) return false;
    const form = layerForm(this.#mapFlags);
    return linkFrom({ stores, form }, store, name) && held.hold(name);
  }

  /** Whether a mirror may have brought the wrong bytes; from then on they are left out. */
  #isMirrorsFault(error: unknown): boolean {
    if (!(error instanceof RegistryError || error instanceof CorruptLayerError)) return false;
    // Layers side by side: another one's failure may have left the mirrors out already.
    this.#mirrorsFailed ||= this.#registry.distrustMirrors?.(this.#reference, error) ?? false;
    return this.#mirrorsFailed;
  }

  /** Undefined when another process unpacked it meanwhile. */
  async #unpack(
    { descriptor, diffID, name }: StackedLayer,
    whenCommitted: () => void,
  ): Promise<UnpackCounts | undefined> {
    const { store } = this.#settings;
    const id = idOf(descriptor.digest);
    const outcome = await unpackLayer(
      {
        staging: stagingPath(store, name),
        commit: layerPath(store, name),
        diffID,
        mapFlags: this.#mapFlags,
        signal: this.#signal,
        onWaiting: () => this.#progress.update(id, "waiting"),
        open: () => {
          this.#progress.update(id, "pulling");
          const signal = this.#signal;
          const blob = this.#registry.fetchBlob(this.#reference, descriptor, { signal });
          return this.#counted(id, blob);
        },
      },
      whenCommitted,
    );
    return outcome.state === "unpacked" ? outcome.counts : undefined;
  }

  async *#counted(id: string, blob: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of blob) {
      this.#progress.received(id, chunk.length);
      yield chunk;
    }
  }

  /** Layer names bottom first, with a patch above each layer that leans on those below it. */
  async #stackLayers(layers: readonly StackedLayer[], held: HeldLayers): Promise<string[]> {
    const names: string[] = [];
    // Where no layer has said anything about the root, all of them have it alike.
    let isRootUnsaid = true;
    for (const layer of layers) {
      const below = names.toReversed();
      names.push(layer.name);
      const pending = pendingIn(this.#settings.store, layer.name);
      isRootUnsaid &&= pending === "root";
      if (pending === "nothing" || isRootUnsaid) continue;
      const patch = `${digestHex(layer.chainID)}-patch`;
      if (await this.#patch(layer.name, patch, below, held)) names.push(patch);
    }
    return names;
  }

  /** Makes sure of the layer `patch` above `layer`; false if it would be empty. */
  async #patch(
    layer: string,
    patch: string,
    below: readonly string[],
    held: HeldLayers,
  ): Promise<boolean> {
    const { store } = this.#settings;
    while (!this.#has(patch, held)) {
      const job = {
        staging: stagingPath(store, patch),
        commit: layerPath(store, patch),
        layer: layerDiffPath(store, layer),
        lowers: below.map((name) => layerDiffPath(store, name)),
        mapFlags: this.#mapFlags,
        signal: this.#signal,
      };
      const { state } = await completeLayer(job, () => held.hold(patch));
      if (state === "unneeded") return false;
    }
    return true;
  }

  #commit(documents: Documents, record: ImageRecord): void {
    const { store, platform } = this.#settings;
    try {
      putBlobs(store, documents.blobs, () => writeImage(store, this.#reference, platform, record));
    } catch (error) {
      throw storeError(store, error);
    }
  }

  /** A moved tag leaves nothing behind; layers that containers still run on wait for a prune. */
  #dropReplaced(before: ImageRecord, now: ImageRecord, held: HeldLayers): void {
    if (isSameImage(before, now)) return;
    held[Symbol.dispose]();
    collectLayers(this.#settings.store, before.layers, this.#mapFlags);
  }

  #reportSquashed(): void {
    if (this.#squashed === 0) return;
    const { notice } = this.#settings.identity;
    const cost = `${this.#squashed} files belong to ids not mapped here; root has them now`;
    printNotice(notice === undefined ? cost : `${cost}: ${notice}; then remove it and pull again`);
  }
}

/** What this CPU can run beyond plain amd64, if it is one. */
function hostLevel(): { readonly amd64Level?: Amd64Level } {
  if (process.arch !== "x64") return {};
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "latin1"))?.[1];
  return flags === undefined ? {} : { amd64Level: amd64Level(flags) };
}

/** As many as keep the cores busy with decompressing and unpacking, and a few to hide latency. */
function layersAtOnce(): number {
  return Math.min(6, Math.max(3, availableParallelism() + 1));
}

/** For listings; whatever else an image says there is its own business. */
function dated(created = ""): Pick<ImageRecord, "created"> {
  const date = new Date(created);
  return Number.isNaN(date.getTime()) ? {} : { created: date.toISOString() };
}

function idOf(digest: Digest): string {
  return shortDigest(digest);
}

function isSameImage(before: ImageRecord | undefined, now: ImageRecord): boolean {
  return (
    before?.manifest === now.manifest &&
    before.index === now.index &&
    before.reference === now.reference
  );
}
