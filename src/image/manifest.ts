/**
 * Indexes and manifests from bytes, and the choice among an index's platforms.
 *
 * Follows image-spec manifest.md and image-index.md, and docker's manifest schema 2. Pure: who
 * fetched the bytes has checked their digest.
 */

import { HbError } from "../errors.ts";
import { type Descriptor, parseDescriptor } from "./descriptor.ts";
import { expectArray, expectObject, type JsonObject, optionalString, parseJson } from "./json.ts";
import {
  isConfigType,
  isIndexType,
  isManifestType,
  isSchema1Type,
  layerCompression,
  normalizeMediaType,
  ociIndex,
  ociManifest,
} from "./media-type.ts";
import { type Amd64Level, formatPlatform, matchPlatform, type Platform } from "./platform.ts";

/** Largest index or manifest taken; distribution-spec asks registries to support 4 MiB. */
export const documentBytesMax = 4 * 1024 * 1024;
/** Most layers of one image: overlayfs stacks no more (OVL_MAX_STACK in fs/overlayfs/params.h). */
export const layersMax = 500;
/** How many indexes may lie between a reference and a manifest; real images have one or two. */
export const indexDepthMax = 4;

export interface Index {
  readonly kind: "index";
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}

export interface Manifest {
  readonly kind: "manifest";
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
}

/**
 * The document in `bytes`. `mediaType` is what the Content-Type header or the descriptor says. A
 * document that two readers could take for two different things is refused (image-spec
 * manifest.md, the advice after GHSA-77vh-xpmg-72qh): one with both `manifests` and `layers`, one
 * whose own `mediaType` is not the one it was served or referred to under.
 */
export function parseDocument(bytes: Uint8Array, mediaType: string): Index | Manifest {
  if (bytes.length > documentBytesMax) {
    throw new HbError(`Cannot read manifest: it is larger than ${documentBytesMax} bytes`);
  }
  const object = expectObject(parseJson(bytes, "manifest"), "manifest");
  const type = documentType(object, normalizeMediaType(mediaType));
  if (isIndexType(type)) return parseIndex(object, type);
  if (isManifestType(type)) return parseManifest(object, type);
  throw new HbError(`Cannot read manifest: unknown media type "${type}"`, {
    hint: "hb takes OCI and docker (schema 2) images",
  });
}

/** What a selection may take into account besides the platform asked for. */
export interface SelectOptions {
  /** The CPU's level; for `linux/amd64`, images of the levels up to it are taken too. */
  readonly amd64Level?: Amd64Level;
}

/**
 * The entry of `index` that serves `platform` best: the highest variant not above the wanted one,
 * the first of equals. It may be a nested index where no manifest fits; the caller bounds the
 * depth by `indexDepthMax`.
 */
export function selectManifest(
  index: Index,
  platform: Platform,
  options: SelectOptions = {},
): Descriptor {
  const want = withLevel(platform, options.amd64Level);
  const entries = index.manifests.filter((entry) => !isAttestation(entry));
  const images = entries.filter((entry) => !isIndexType(entry.mediaType));
  let best: { readonly entry: Descriptor; readonly rank: number } | undefined;
  for (const entry of images.filter((image) => isManifestType(image.mediaType))) {
    const rank = entry.platform === undefined ? undefined : matchPlatform(want, entry.platform);
    if (rank !== undefined && (best === undefined || rank > best.rank)) best = { entry, rank };
  }
  if (best !== undefined) return best.entry;
  const nested = entries.find(
    (entry) =>
      isIndexType(entry.mediaType) &&
      (entry.platform === undefined || matchPlatform(want, entry.platform) !== undefined),
  );
  if (nested !== undefined) return nested;
  // An index of one image without a platform: there is no choice, and the config will tell.
  const [only, second] = images;
  if (only !== undefined && second === undefined && only.platform === undefined) return only;
  throw noPlatform(platform, images);
}

/** BuildKit's attestations: not images, though listed among them. */
function isAttestation(entry: Descriptor): boolean {
  return (
    entry.platform?.os === "unknown" ||
    entry.platform?.architecture === "unknown" ||
    Object.hasOwn(entry.annotations ?? {}, "vnd.docker.reference.type")
  );
}

function withLevel(platform: Platform, level: Amd64Level | undefined): Platform {
  if (platform.architecture !== "amd64" || platform.variant !== undefined) return platform;
  return level === undefined || level === 1 ? platform : { ...platform, variant: `v${level}` };
}

function noPlatform(platform: Platform, images: readonly Descriptor[]): HbError {
  const names = images.flatMap((image) =>
    image.platform === undefined ? [] : [formatPlatform(image.platform)],
  );
  const known = [...new Set(names)];
  const available = known.length === 0 ? "the index lists none" : `available: ${known.join(", ")}`;
  const linux = known.find((name) => name.startsWith("linux/"));
  const hint =
    linux === undefined ? "use another image" : `choose one, as with --platform ${linux}`;
  return new HbError(`No image for ${formatPlatform(platform)}; ${available}`, { hint });
}

/** The document's type from its own word, the outer word, and its shape: they must agree. */
function documentType(object: JsonObject, outer: string): string {
  const inner = normalizeMediaType(optionalString(object.mediaType, "manifest.mediaType"));
  const version = object.schemaVersion;
  if (version === 1 || isSchema1Type(inner) || isSchema1Type(outer)) {
    throw new HbError("Cannot read manifest: it is docker's schema 1, obsolete since 2017", {
      hint: "ask the publisher to push the image again with a current tool",
    });
  }
  if (version !== undefined && version !== 2) {
    throw new HbError(`Cannot read manifest: schemaVersion ${JSON.stringify(version)} is not 2`);
  }
  const hasManifests = object.manifests !== undefined && object.manifests !== null;
  const hasLayers = object.layers !== undefined || object.config !== undefined;
  if (hasManifests && hasLayers) {
    throw new HbError("Cannot read manifest: it claims to be an index and a manifest at once");
  }
  if (inner !== "" && isSpecific(outer) && inner !== outer) {
    throw new HbError(`Cannot read manifest: it says "${inner}" but is served as "${outer}"`);
  }
  const type =
    inner !== "" ? inner : isSpecific(outer) ? outer : hasManifests ? ociIndex : ociManifest;
  if ((isIndexType(type) && hasLayers) || (isManifestType(type) && hasManifests)) {
    throw new HbError(`Cannot read manifest: its members are not those of "${type}"`);
  }
  return type;
}

/** Whether a Content-Type says more than "some JSON", which plain file servers say. */
function isSpecific(mediaType: string): boolean {
  return !["", "application/json", "application/octet-stream", "text/plain"].includes(mediaType);
}

function parseIndex(object: JsonObject, mediaType: string): Index {
  const manifests = expectArray(object.manifests, "index.manifests").map((value, i) =>
    parseDescriptor(value, `index.manifests[${i}]`),
  );
  return { kind: "index", mediaType, manifests };
}

function parseManifest(object: JsonObject, mediaType: string): Manifest {
  const config = parseDescriptor(object.config, "manifest.config");
  const layers = expectArray(object.layers, "manifest.layers").map((value, i) =>
    parseDescriptor(value, `manifest.layers[${i}]`),
  );
  if (!isConfigType(config.mediaType)) {
    throw new HbError(`Not a container image: its config is of type "${config.mediaType}"`, {
      hint: "use the tool this artifact is made for, such as helm or oras",
    });
  }
  if (layers.length > layersMax) {
    throw new HbError(
      `Cannot use manifest: ${layers.length} layers, at most ${layersMax} can stack`,
    );
  }
  const strange = layers.find((layer) => layerCompression(layer.mediaType) === undefined);
  if (strange !== undefined) {
    throw new HbError(`Cannot unpack layers of type "${strange.mediaType}"`, {
      hint: "hb takes tar, tar+gzip and tar+zstd layers",
    });
  }
  return { kind: "manifest", mediaType, config, layers };
}
