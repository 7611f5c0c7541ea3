/**
 * The media types a pull meets: OCI image-spec media-types.md and docker's older names for the
 * same things (distribution, manifest schema 2).
 */

/** OCI names. */
export const ociIndex = "application/vnd.oci.image.index.v1+json";
export const ociManifest = "application/vnd.oci.image.manifest.v1+json";
export const ociConfig = "application/vnd.oci.image.config.v1+json";

/** Docker names. */
export const dockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json";
export const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
export const dockerConfig = "application/vnd.docker.container.image.v1+json";

/** What a manifest request accepts, the preferred first. */
export const acceptedDocuments: readonly string[] = [
  ociIndex,
  ociManifest,
  dockerIndex,
  dockerManifest,
];

/** `value` of a Content-Type header without parameters, in lower case; "" when absent. */
export function normalizeMediaType(value: string | null | undefined): string {
  return (value ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** An OCI index or a docker manifest list. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === ociIndex || mediaType === dockerIndex;
}

/** An OCI or docker (schema 2) image manifest. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === ociManifest || mediaType === dockerManifest;
}

/** Docker's schema 1, which has no config and no diffIDs, and left docker itself in 2024. */
export function isSchema1Type(mediaType: string): boolean {
  return mediaType.startsWith("application/vnd.docker.distribution.manifest.v1+");
}

/** An image config; `application/octet-stream` is what docker wrote before it had a name. */
export function isConfigType(mediaType: string): boolean {
  return (
    mediaType === ociConfig ||
    mediaType === dockerConfig ||
    mediaType === "application/octet-stream"
  );
}

/** How a layer blob is compressed. */
export type Compression = "gzip" | "zstd" | "none";

const compressions: Readonly<Record<string, Compression>> = {
  "application/vnd.oci.image.layer.v1.tar": "none",
  "application/vnd.oci.image.layer.v1.tar+gzip": "gzip",
  "application/vnd.oci.image.layer.v1.tar+zstd": "zstd",
  "application/vnd.oci.image.layer.nondistributable.v1.tar": "none",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
  "application/vnd.docker.image.rootfs.diff.tar": "none",
  "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
  "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
  "application/vnd.docker.image.rootfs.foreign.diff.tar": "none",
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "gzip",
};

/** A layer's compression by its media type; undefined when it is no layer hb can unpack. */
export function layerCompression(mediaType: string): Compression | undefined {
  return Object.hasOwn(compressions, mediaType) ? compressions[mediaType] : undefined;
}

/** The type of the layer once gzip has compressed it, where it is a plain tar; else its own. */
export function compressedType(mediaType: string): string {
  if (layerCompression(mediaType) !== "none") return mediaType;
  return `${mediaType}${mediaType.startsWith("application/vnd.docker.") ? "." : "+"}gzip`;
}
