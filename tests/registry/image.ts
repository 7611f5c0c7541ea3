/** Fabricates images: blobs with their digests, manifests and indexes, consistent or broken. */

import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type TarEntry, writeTar } from "./tar.ts";

/** Bytes with their name. */
export interface Blob {
  readonly bytes: Uint8Array;
  readonly digest: string;
  readonly mediaType: string;
}

export interface LayerBlob extends Blob {
  readonly diffID: string;
}

/** A tag's document and every blob and document it leads to. */
export interface Image {
  readonly top: Blob;
  readonly documents: readonly Blob[];
  readonly blobs: readonly Blob[];
}

export interface ImageOptions {
  readonly architecture?: string;
  readonly variant?: string;
  /** `config.config`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Members put over the config's and the manifest's own. */
  readonly configExtra?: Readonly<Record<string, unknown>>;
  readonly manifestExtra?: Readonly<Record<string, unknown>>;
}

const oci = "application/vnd.oci.image";
export const indexType = `${oci}.index.v1+json`;
export const manifestType = `${oci}.manifest.v1+json`;
const layerTypes = {
  none: `${oci}.layer.v1.tar`,
  gzip: `${oci}.layer.v1.tar+gzip`,
  zstd: `${oci}.layer.v1.tar+zstd`,
};

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export function makeBlob(bytes: Uint8Array | string, mediaType: string): Blob {
  const buffer = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
  return { bytes: buffer, digest: digestOf(buffer), mediaType };
}

export function jsonBlob(value: unknown, mediaType: string): Blob {
  return makeBlob(JSON.stringify(value), mediaType);
}

/** The descriptor of `blob`, with `extra` members. */
export function describeBlob(blob: Blob, extra: Readonly<Record<string, unknown>> = {}): object {
  return { mediaType: blob.mediaType, digest: blob.digest, size: blob.bytes.length, ...extra };
}

/** A layer of the given files. */
export function makeLayer(
  entries: readonly TarEntry[] | Uint8Array,
  compression: keyof typeof layerTypes = "gzip",
): LayerBlob {
  const tar = entries instanceof Uint8Array ? entries : writeTar(entries);
  const bytes =
    compression === "gzip" ? gzipSync(tar) : compression === "zstd" ? zstdCompressSync(tar) : tar;
  return { ...makeBlob(bytes, layerTypes[compression]), diffID: digestOf(tar) };
}

/** A one-platform image of `layers`, bottom first. */
export function makeImage(layers: readonly LayerBlob[], options: ImageOptions = {}): Image {
  const config = jsonBlob(
    {
      architecture: options.architecture ?? (process.arch === "arm64" ? "arm64" : "amd64"),
      ...(options.variant === undefined ? {} : { variant: options.variant }),
      os: "linux",
      config: options.config ?? { Env: ["PATH=/bin"], Cmd: ["/bin/sh"] },
      rootfs: { type: "layers", diff_ids: layers.map(({ diffID }) => diffID) },
      ...options.configExtra,
    },
    `${oci}.config.v1+json`,
  );
  const manifest = jsonBlob(
    {
      schemaVersion: 2,
      mediaType: manifestType,
      config: describeBlob(config),
      layers: layers.map((layer) => describeBlob(layer)),
      ...options.manifestExtra,
    },
    manifestType,
  );
  return { top: manifest, documents: [manifest], blobs: [config, ...layers] };
}

/** An index over `images`, each under its platform. */
export function makeIndex(
  images: readonly { readonly image: Image; readonly platform?: object }[],
): Image {
  const manifests = images.map(({ image, platform }) =>
    describeBlob(image.top, platform === undefined ? {} : { platform }),
  );
  const top = jsonBlob({ schemaVersion: 2, mediaType: indexType, manifests }, indexType);
  return {
    top,
    documents: [top, ...images.flatMap(({ image }) => image.documents)],
    blobs: images.flatMap(({ image }) => image.blobs),
  };
}

/** An image of incompressible files that is the same for the same arguments. */
export function randomImage(
  options: { readonly layers?: number; readonly layerBytes?: number; readonly seed?: string } = {},
): Image {
  const { layers = 2, layerBytes = 64 * 1024, seed = "seed" } = options;
  const made = Array.from({ length: layers }, (_, i) =>
    makeLayer([
      { name: `layer-${i}`, type: "directory" },
      { name: `layer-${i}/random`, content: randomBytes(`${seed}-${i}`, layerBytes) },
    ]),
  );
  return makeImage(made);
}

/** Repeatable noise: a hash chain. */
export function randomBytes(seed: string, length: number): Uint8Array {
  const result = Buffer.alloc(length);
  let state = createHash("sha512").update(seed).digest();
  for (let offset = 0; offset < length; offset += state.length) {
    state.copy(result, offset);
    state = createHash("sha512").update(state).digest();
  }
  return result;
}
