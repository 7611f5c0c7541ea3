/** Descriptors: the only way one blob names another. Follows image-spec descriptor.md. */

import { HbError } from "../errors.ts";
import { type Digest, digestDefect, isDigest } from "./digest.ts";
import {
  compact,
  expectObject,
  expectSize,
  expectString,
  expectStringMap,
  optionalString,
} from "./json.ts";
import { normalizeMediaType } from "./media-type.ts";
import { normalizePlatform, type Platform } from "./platform.ts";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  /** Only in an index. */
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
}

/** A descriptor from JSON; `where` names its place in the document, as in `layers[3]`. */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  const object = expectObject(value, where);
  const digest = expectString(object.digest, `${where}.digest`);
  if (!isDigest(digest)) throw new HbError(`Cannot read ${where}.digest: ${digestDefect(digest)}`);
  const platform = object.platform;
  const annotations = object.annotations;
  return compact({
    mediaType: normalizeMediaType(expectString(object.mediaType, `${where}.mediaType`)),
    digest,
    size: expectSize(object.size, `${where}.size`),
    platform: absent(platform) ? undefined : parseEntryPlatform(platform, `${where}.platform`),
    annotations: absent(annotations)
      ? undefined
      : expectStringMap(annotations, `${where}.annotations`),
    artifactType: optionalString(object.artifactType, `${where}.artifactType`),
  });
}

/** `os.version` and `os.features` speak of Windows alone and are not read. */
function parseEntryPlatform(value: unknown, where: string): Platform {
  const object = expectObject(value, where);
  return normalizePlatform(
    optionalString(object.os, `${where}.os`) ?? "unknown",
    optionalString(object.architecture, `${where}.architecture`) ?? "unknown",
    optionalString(object.variant, `${where}.variant`),
  );
}

function absent(value: unknown): boolean {
  return value === undefined || value === null;
}
