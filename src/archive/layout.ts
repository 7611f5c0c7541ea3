/**
 * What an image archive says of its images: image-spec image-layout.md, and docker's manifest.json
 * beside it, which older tools read (moby, image/spec). Pure.
 */

import type { Descriptor } from "../image/descriptor.ts";
import { parseDescriptor } from "../image/descriptor.ts";
import { type Digest, digestAlgorithm, digestHex } from "../image/digest.ts";
import {
  expectArray,
  expectObject,
  expectString,
  expectStrings,
  parseJson,
} from "../image/json.ts";
import { type Compression, ociManifest } from "../image/media-type.ts";

export const layoutFile = "oci-layout";
export const indexFile = "index.json";
export const dockerFile = "manifest.json";
/** What `oci-layout` says. */
export const layoutBytes: Uint8Array = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

/** image-spec annotations.md: a name, or only a tag. */
export const refName = "org.opencontainers.image.ref.name";
/** containerd's and docker's: always a whole name. */
export const imageName = "io.containerd.image.name";

/** A blob's name in an archive. */
export function blobName(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** The images an index.json lists. */
export function parseLayoutIndex(bytes: Uint8Array): readonly Descriptor[] {
  const index = expectObject(parseJson(bytes, indexFile), indexFile);
  return expectArray(index.manifests, `${indexFile}.manifests`).map((value, i) =>
    parseDescriptor(value, `${indexFile}.manifests[${i}]`),
  );
}

/** One image of docker's manifest.json: names of members, the layers bottom first. */
export interface DockerImage {
  readonly config: string;
  readonly names: readonly string[];
  readonly layers: readonly string[];
}

/** The images a manifest.json lists. */
export function parseDockerImages(bytes: Uint8Array): readonly DockerImage[] {
  return expectArray(parseJson(bytes, dockerFile), dockerFile).map((value, i) => {
    const where = `${dockerFile}[${i}]`;
    const object = expectObject(value, where);
    return {
      config: expectString(object.Config, `${where}.Config`),
      names: expectStrings(object.RepoTags, `${where}.RepoTags`),
      layers: expectStrings(object.Layers, `${where}.Layers`),
    };
  });
}

/** The media type of a layer that is compressed so. */
export function layerType(compression: Compression): string {
  const suffix = compression === "none" ? "" : `+${compression}`;
  return `application/vnd.oci.image.layer.v1.tar${suffix}`;
}

/** A manifest of these, always in the same bytes. */
export function formatManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
  annotations?: Readonly<Record<string, string>>,
): Uint8Array {
  const plain = ({ mediaType, digest, size }: Descriptor) => ({ mediaType, digest, size });
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: ociManifest,
      config: plain(config),
      layers: layers.map(plain),
      ...(annotations === undefined ? {} : { annotations }),
    }),
  );
}
