/**
 * The images of an archive as a registry, so that they take the ordinary way into the store: every
 * size, digest and diffID is checked as if it came from anywhere.
 *
 * OCI layouts and docker's archives. The latter have no manifests: theirs are made here, and are
 * the same whoever makes them, for layers that are plain tars.
 */

import { HbError } from "../errors.ts";
import { configBytesMax, parseConfig } from "../image/config.ts";
import type { Descriptor } from "../image/descriptor.ts";
import {
  type Digest,
  digestAlgorithm,
  digestHex,
  digestMatches,
  digestOf,
  parseDigest,
} from "../image/digest.ts";
import { documentBytesMax } from "../image/manifest.ts";
import { isIndexType, isManifestType, ociConfig, ociManifest } from "../image/media-type.ts";
import { parseReference, type Reference } from "../image/reference.ts";
import { sniffCompression } from "../layer/decompress.ts";
import type { FetchedDocument, Registry } from "../registry/client.ts";
import {
  blobName,
  type DockerImage,
  dockerFile,
  formatManifest,
  imageName,
  indexFile,
  layerType,
  parseDockerImages,
  parseLayoutIndex,
  refName,
} from "./layout.ts";
import type { Members } from "./members.ts";

/** Bytes that tell how a layer is compressed. */
const headBytes = 6;

/** One image of an archive. */
export interface ArchivedImage {
  /** What the archive calls it; perhaps nothing. */
  readonly names: readonly Reference[];
  /** Its manifest or index. */
  readonly root: Descriptor;
}

/** The images in `members`, and where their parts are. */
export async function readArchive(members: Members): Promise<ArchiveSource> {
  const index = members.read(indexFile, documentBytesMax);
  if (index !== undefined) {
    const images = parseLayoutIndex(index).map((root) => ({ root, names: namesOf(root) }));
    return new ArchiveSource(members, images, new Map(), new Map());
  }
  const list = members.read(dockerFile, documentBytesMax);
  if (list === undefined) {
    throw new HbError(`it has neither ${indexFile} nor ${dockerFile}: it is no archive of images`, {
      hint: "to make an image of a tar of files, use hb import",
    });
  }
  const made = new Map<Digest, Uint8Array>();
  const places = new Map<Digest, string>();
  const images: ArchivedImage[] = [];
  for (const image of parseDockerImages(list)) {
    const root = await makeManifest(members, image, { made, places });
    images.push({ root, names: image.names.map(parseReference) });
  }
  return new ArchiveSource(members, images, made, places);
}

/** An archive of images. Its descriptor stays the caller's. */
export class ArchiveSource implements Registry {
  readonly images: readonly ArchivedImage[];
  readonly #members: Members;
  /** Documents that are no members. */
  readonly #made: ReadonlyMap<Digest, Uint8Array>;
  /** Members that are not called by their digests. */
  readonly #places: ReadonlyMap<Digest, string>;

  constructor(
    members: Members,
    images: readonly ArchivedImage[],
    made: ReadonlyMap<Digest, Uint8Array>,
    places: ReadonlyMap<Digest, string>,
  ) {
    this.#members = members;
    this.images = images;
    this.#made = made;
    this.#places = places;
  }

  /** This archive as the registry of one of its images, whatever that is to be called. */
  only(image: ArchivedImage): Registry {
    return {
      resolve: () => this.fetchDocument(undefined, image.root),
      fetchDocument: (reference, descriptor) => this.fetchDocument(reference, descriptor),
      fetchBlob: (reference, descriptor) => this.fetchBlob(reference, descriptor),
    };
  }

  async resolve(reference: Reference): Promise<FetchedDocument> {
    throw new HbError(`the archive is not asked for ${reference.repository} by name`);
  }

  async fetchDocument(
    _reference: Reference | undefined,
    { digest, mediaType, size }: Descriptor,
  ): Promise<FetchedDocument> {
    const isManifest = isManifestType(mediaType) || isIndexType(mediaType);
    const bytesMax = isManifest ? documentBytesMax : configBytesMax;
    const bytes = this.#made.get(digest) ?? this.#members.read(this.#nameOf(digest), bytesMax);
    if (bytes === undefined) throw absent(digest);
    if (bytes.length !== size || !digestMatches(digest, bytes)) throw changed(digest);
    return { bytes, mediaType, digest };
  }

  async *fetchBlob(
    _reference: Reference | undefined,
    { digest, size }: Descriptor,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const name = this.#nameOf(digest);
    if (this.#members.size(name) === undefined) throw absent(digest);
    if (this.#members.size(name) !== size) throw changed(digest);
    const hash = new Bun.CryptoHasher(digestAlgorithm(digest));
    for await (const chunk of this.#members.stream(name)) {
      hash.update(chunk);
      yield chunk;
    }
    if (hash.digest("hex") !== digestHex(digest)) throw changed(digest);
  }

  #nameOf(digest: Digest): string {
    return this.#places.get(digest) ?? blobName(digest);
  }
}

interface Made {
  readonly made: Map<Digest, Uint8Array>;
  readonly places: Map<Digest, string>;
}

/** The manifest docker's archive does not have. */
async function makeManifest(
  members: Members,
  image: DockerImage,
  { made, places }: Made,
): Promise<Descriptor> {
  const config = members.read(image.config, configBytesMax);
  if (config === undefined) throw new HbError(`it has no "${image.config}", a config it lists`);
  const diffIDs = parseConfig(config).rootfs.diff_ids;
  if (diffIDs.length !== image.layers.length) {
    const counts = `${image.layers.length} layers but ${diffIDs.length} diffIDs`;
    throw new HbError(`an image in it has ${counts}`);
  }
  const layers: Descriptor[] = [];
  for (const [i, name] of image.layers.entries()) {
    const diffID = diffIDs[i];
    const size = members.size(name);
    if (diffID === undefined || size === undefined) {
      throw new HbError(`it has no "${name}", a layer it lists`);
    }
    const compression = await compressionOf(members, name);
    const digest = compression === "none" ? diffID : await hashOf(members, name);
    places.set(digest, name);
    layers.push({ mediaType: layerType(compression), digest, size });
  }
  const configDigest = digestOf(config);
  places.set(configDigest, image.config);
  const about = { mediaType: ociConfig, digest: configDigest, size: config.length };
  const bytes = formatManifest(about, layers);
  const digest = digestOf(bytes);
  made.set(digest, bytes);
  return { mediaType: ociManifest, digest, size: bytes.length };
}

async function compressionOf(members: Members, name: string) {
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of members.stream(name, headBytes)) head = chunk;
  return sniffCompression(head);
}

async function hashOf(members: Members, name: string): Promise<Digest> {
  const hash = new Bun.CryptoHasher("sha256");
  for await (const chunk of members.stream(name)) hash.update(chunk);
  return parseDigest(`sha256:${hash.digest("hex")}`);
}

/** containerd's annotation is a whole name; the specification's may be one. */
function namesOf({ annotations = {} }: Descriptor): Reference[] {
  const name = annotations[imageName] ?? annotations[refName];
  return name === undefined || name === "" ? [] : [parseReference(name)];
}

function absent(digest: Digest): HbError {
  return new HbError(`the archive has no ${digest}`, {
    hint: "it is incomplete, or for other platforms only: make it again",
  });
}

function changed(digest: Digest): HbError {
  return new HbError(`${digest} in the archive is something else`, {
    hint: "the archive is damaged or was tampered with: make it again",
  });
}
