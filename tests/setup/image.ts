/**
 * Images for the tests, assembled from entries and pushed to a registry: any media type, any order,
 * any lie. Built without any container tool.
 */

import { type Descriptor, pushBlob, pushDocument, sha256 } from "./registry.ts";
import { type Entry, tar } from "./tar.ts";

export type Compression = keyof typeof suffixes;

const suffixes = {
  gzip: "+gzip",
  "gzip-fast": "+gzip",
  "gzip-members": "+gzip",
  zstd: "+zstd",
  none: "",
} as const;

/** A layer as it lies in a registry, and the digest of its tar. */
export interface Layer {
  readonly mediaType: string;
  readonly blob: Uint8Array<ArrayBuffer>;
  readonly diffID: string;
}

export interface ImageOptions {
  readonly config?: Readonly<Record<string, unknown>>;
  /** When it says it was built, RFC 3339. */
  readonly created?: string;
  /** The config's `history`. */
  readonly history?: readonly object[];
  readonly architecture?: string;
  readonly variant?: string;
  /** Docker's schema 2 media types instead of OCI's. */
  readonly docker?: boolean;
}

const oci = "application/vnd.oci.image";
const docker = "application/vnd.docker";
export const hostArchitecture = process.arch === "x64" ? "amd64" : "arm64";

export const indexType = `${oci}.index.v1+json`;

/** One layer of these entries. */
export function layer(entries: readonly Entry[], compression: Compression = "gzip"): Layer {
  return layerOf(tar(entries), compression);
}

/** A tar as a layer. */
export function layerOf(archive: Uint8Array<ArrayBuffer>, compression: Compression): Layer {
  const suffix = suffixes[compression];
  const blob = compress(archive, compression);
  return { mediaType: `${oci}.layer.v1.tar${suffix}`, blob, diffID: sha256(archive) };
}

function compress(archive: Uint8Array<ArrayBuffer>, compression: Compression) {
  switch (compression) {
    case "gzip":
      return Bun.gzipSync(archive);
    case "gzip-fast":
      return Bun.gzipSync(archive, { level: 1 });
    case "gzip-members": {
      // Two members: a reader that stops after the first loses half of the files (pigz, eStargz).
      const half = Math.floor(archive.length / 1024) * 512;
      const members = [archive.subarray(0, half), archive.subarray(half)];
      return Uint8Array.from(Buffer.concat(members.map((member) => Bun.gzipSync(member))));
    }
    case "zstd":
      return Uint8Array.from(Bun.zstdCompressSync(archive));
    case "none":
      return archive;
  }
}

/** Pushes layers, config and manifest as `REPOSITORY:TAG`; returns the manifest's descriptor. */
export async function pushImage(
  host: string,
  reference: string,
  layers: readonly Layer[],
  options: ImageOptions = {},
): Promise<Descriptor> {
  const [repository = "", tag = "latest"] = reference.split(":");
  const descriptors: Descriptor[] = [];
  for (const { mediaType, blob } of layers) {
    const type = options.docker ? `${docker}.image.rootfs.diff.tar.gzip` : mediaType;
    descriptors.push(await pushBlob(host, repository, type, blob));
  }
  const configBytes = new TextEncoder().encode(
    JSON.stringify({
      architecture: options.architecture ?? hostArchitecture,
      ...(options.created === undefined ? {} : { created: options.created }),
      ...(options.variant === undefined ? {} : { variant: options.variant }),
      os: "linux",
      ...(options.history === undefined ? {} : { history: options.history }),
      config: options.config ?? {},
      rootfs: { type: "layers", diff_ids: layers.map(({ diffID }) => diffID) },
    }),
  );
  const configType = options.docker ? `${docker}.container.image.v1+json` : `${oci}.config.v1+json`;
  const config = await pushBlob(host, repository, configType, configBytes);
  const manifestType = options.docker
    ? `${docker}.distribution.manifest.v2+json`
    : `${oci}.manifest.v1+json`;
  const manifest = { schemaVersion: 2, mediaType: manifestType, config, layers: descriptors };
  return pushDocument(host, repository, tag, manifestType, manifest);
}

/** Pushes an index of manifests that are in the repository already. */
export function pushIndex(host: string, reference: string, manifests: readonly Descriptor[]) {
  const [repository = "", tag = "latest"] = reference.split(":");
  const index = { schemaVersion: 2, mediaType: indexType, manifests };
  return pushDocument(host, repository, tag, indexType, index);
}
