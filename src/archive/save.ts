/**
 * Images of the store as an archive: an OCI layout with docker's manifest.json beside it, which is
 * what `docker save` writes and every tool that loads archives takes.
 *
 * Layers are plain tars: compressed as they came they cannot be had again, as no two compressors
 * agree, and an archive of plain tars is compressed better as a whole. So the manifest is another
 * than the registry's, unless that one has plain tars, too; the config, the image's id, is the
 * same.
 */

import { HbError } from "../errors.ts";
import { parseConfig } from "../image/config.ts";
import type { Descriptor } from "../image/descriptor.ts";
import { type Digest, digestAlgorithm, digestHex, digestOf } from "../image/digest.ts";
import { ociConfig, ociIndex, ociManifest } from "../image/media-type.ts";
import { familiarName, formatReference, type Reference } from "../image/reference.ts";
import { rebuildLayer } from "../layer/rebuild.ts";
import { readBlob } from "../store/blobs.ts";
import type { ImageRecord } from "../store/images.ts";
import { HeldLayers, layerSize } from "../store/layers.ts";
import { layerSource, type StorePaths } from "../store/layout.ts";
import {
  blobName,
  dockerFile,
  formatManifest,
  imageName,
  indexFile,
  layerType,
  layoutBytes,
  layoutFile,
  refName,
} from "./layout.ts";
import { endOfArchive, formatDirectory, formatHeader, padding } from "./tar-header.ts";

/** An image to save and what to call it. */
export interface NamedImage {
  readonly store: StorePaths;
  readonly record: ImageRecord;
  readonly names: readonly Reference[];
}

export interface SaveJob {
  readonly images: readonly NamedImage[];
  readonly mapFlags: readonly string[];
  readonly signal: AbortSignal;
}

/** The archive of the images, in chunks. */
export async function* saveImages(job: SaveJob): AsyncGenerator<Uint8Array, void, undefined> {
  using held = new DisposableStack();
  const saved = job.images.map((image) => describeImage(image, held));
  yield* member(layoutFile, layoutBytes);
  // An ordinary user's skopeo cannot make directories that it is not told of: it would chown them.
  yield* directoriesOf(saved);
  const written = new Set<Digest>();
  for (const { layers, store } of saved) {
    for (const { digest, size } of layers) {
      if (written.has(digest)) continue;
      written.add(digest);
      yield* layerMember(job, store, digest, size);
    }
  }
  for (const { documents } of saved) {
    for (const [digest, bytes] of documents) {
      if (written.has(digest)) continue;
      written.add(digest);
      yield* member(blobName(digest), bytes);
    }
  }
  yield* member(indexFile, formatIndex(saved));
  yield* member(dockerFile, formatDocker(saved));
  yield endOfArchive;
}

interface SavedImage {
  readonly store: StorePaths;
  readonly names: readonly Reference[];
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly documents: ReadonlyMap<Digest, Uint8Array>;
}

/** What the archive is to have of the image; its layers are held as long as `held` is. */
function describeImage({ store, record, names }: NamedImage, held: DisposableStack): SavedImage {
  const layersHeld = held.use(new HeldLayers(store));
  const configBytes = readBlob(store, record.config);
  const layers = parseConfig(configBytes).rootfs.diff_ids.map((digest) => {
    const name = digestHex(digest);
    if (!layersHeld.hold(name)) {
      throw new HbError(`Layer ${name.slice(0, 12)} is missing`, { hint: "pull the image again" });
    }
    return { mediaType: layerType("none"), digest, size: layerSize(store, name) };
  });
  const config = { mediaType: ociConfig, digest: record.config, size: configBytes.length };
  const bytes = formatManifest(config, layers);
  const manifest = { mediaType: ociManifest, digest: digestOf(bytes), size: bytes.length };
  const documents = new Map([
    [record.config, configBytes],
    [manifest.digest, bytes],
  ]);
  return { store, names, manifest, config, layers, documents };
}

async function* layerMember(
  { mapFlags, signal }: SaveJob,
  store: StorePaths,
  diffID: Digest,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield formatHeader(blobName(diffID), size);
  const layer = layerSource(store, digestHex(diffID));
  let length = 0;
  for await (const chunk of rebuildLayer({ layer, diffID, mapFlags, signal })) {
    length += chunk.length;
    yield chunk;
  }
  if (length !== size) throw new HbError(`Layer ${layer} has ${length} bytes instead of ${size}`);
  yield padding(size);
}

function* directoriesOf(images: readonly SavedImage[]): Generator<Uint8Array> {
  yield formatDirectory("blobs/");
  const digests = images.flatMap(({ documents, layers }) => [
    ...documents.keys(),
    ...layers.map(({ digest }) => digest),
  ]);
  const algorithms = new Set(digests.map(digestAlgorithm));
  for (const algorithm of algorithms) yield formatDirectory(`blobs/${algorithm}/`);
}

function* member(name: string, bytes: Uint8Array): Generator<Uint8Array> {
  yield formatHeader(name, bytes.length);
  yield bytes;
  yield padding(bytes.length);
}

function formatIndex(images: readonly SavedImage[]): Uint8Array {
  const manifests = images.flatMap(({ names, manifest }) =>
    names.length === 0 ? [manifest] : names.map((name) => annotate(manifest, name)),
  );
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests }));
}

function annotate(manifest: Descriptor, name: Reference): Descriptor {
  const whole = formatReference(name);
  return { ...manifest, annotations: { [imageName]: whole, [refName]: whole } };
}

function formatDocker(images: readonly SavedImage[]): Uint8Array {
  const entries = images.map(({ names, config, layers }) => ({
    Config: blobName(config.digest),
    RepoTags: names.map(familiarName),
    Layers: layers.map(({ digest }) => blobName(digest)),
  }));
  return Buffer.from(JSON.stringify(entries));
}
