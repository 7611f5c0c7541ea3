/**
 * An image and what a container has written, as another image: the layers there are, and one more.
 *
 * The old layers keep their descriptors, in a manifest of the old one's kind: so a registry that
 * has them is found to have them. The new layer's is that of a plain tar: what is in the store is
 * described, and how it is compressed on the way to a registry is not known here.
 */

import { HbError } from "../errors.ts";
import { parseConfig } from "../image/config.ts";
import { type Digest, digestHex, digestOf } from "../image/digest.ts";
import { expectArray, expectObject, type JsonObject, parseJson } from "../image/json.ts";
import { parseDocument } from "../image/manifest.ts";
import { dockerManifest, ociConfig, ociManifest } from "../image/media-type.ts";
import type { Platform } from "../image/platform.ts";
import { readBlob } from "../store/blobs.ts";
import { listImages } from "../store/images.ts";
import { layerSize } from "../store/layers.ts";
import { layerDiffID, type StorePaths } from "../store/layout.ts";
import { layerType } from "./layout.ts";
import { type MadeImage, madeImage, type TarFile, tarDigest } from "./made.ts";

/** What a container stands on. */
export interface BaseImage {
  readonly platform: Platform;
  readonly mediaType: string;
  readonly configType: string;
  /** Descriptors as their manifest has them, bottom first. */
  readonly layers: readonly unknown[];
  readonly diffIDs: readonly Digest[];
  readonly history: readonly unknown[];
}

/** What is said of the new image. */
export interface CommitFacts {
  readonly config: JsonObject;
  readonly author?: string;
  readonly comment?: string;
  readonly createdBy: string;
  readonly created: Date;
}

/** The image whose config is `config`, if the store has it under any name. */
export function findBase(store: StorePaths, config: string): BaseImage | undefined {
  const image = listImages(store).find(({ record }) => record.config === config);
  if (image === undefined) return undefined;
  const bytes = readBlob(store, image.record.manifest);
  const manifest = parseDocument(bytes, "");
  if (manifest.kind === "index") throw new HbError("its image's manifest is an index");
  const document = expectObject(parseJson(bytes, "manifest"), "manifest");
  const configBytes = readBlob(store, image.record.config);
  const { platform, rootfs } = parseConfig(configBytes);
  const about = expectObject(parseJson(configBytes, "config"), "config");
  return {
    platform,
    mediaType: manifest.mediaType,
    configType: manifest.config.mediaType,
    layers: expectArray(document.layers, "manifest.layers"),
    diffIDs: rootfs.diff_ids,
    history: expectArray(about.history, "config.history"),
  };
}

/** The same of an image that is gone, from the layers a container keeps; topmost first. */
export function baseOfLayers(
  store: StorePaths,
  layers: readonly string[],
  platform: Platform,
): BaseImage {
  const diffIDs = layers.toReversed().flatMap((name) => {
    const digest = layerDiffID(name);
    return digest === undefined ? [] : [digest];
  });
  const descriptors = diffIDs.map((digest) => {
    return { mediaType: layerType("none"), digest, size: layerSize(store, digestHex(digest)) };
  });
  const history = diffIDs.map(() => ({ comment: "of an image that was removed" }));
  const types = { mediaType: ociManifest, configType: ociConfig };
  return { platform, ...types, layers: descriptors, diffIDs, history };
}

/** Makes the image; `archive` has the new layer, and nothing where nothing was written. */
export function commitImage(base: BaseImage, archive: TarFile, facts: CommitFacts): MadeImage {
  const layer = archive.size === 0 ? undefined : { ...archive, digest: tarDigest(archive) };
  const { author, comment, createdBy, config } = facts;
  const created = facts.created.toISOString();
  const { os, architecture, variant } = base.platform;
  const by = author === undefined ? {} : { author };
  const step = {
    created,
    created_by: createdBy,
    ...by,
    ...(comment === undefined ? {} : { comment }),
    ...(layer === undefined ? { empty_layer: true } : {}),
  };
  const configBytes = Buffer.from(
    JSON.stringify({
      created,
      ...by,
      architecture,
      ...(variant === undefined ? {} : { variant }),
      os,
      config,
      rootfs: {
        type: "layers",
        diff_ids: layer === undefined ? base.diffIDs : [...base.diffIDs, layer.digest],
      },
      history: [...base.history, step],
    }),
  );
  const { configType, mediaType } = base;
  const isDocker = mediaType === dockerManifest;
  const type = isDocker ? "application/vnd.docker.image.rootfs.diff.tar" : layerType("none");
  const added =
    layer === undefined ? [] : [{ mediaType: type, digest: layer.digest, size: layer.size }];
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: configType, digest: digestOf(configBytes), size: configBytes.length },
      layers: [...base.layers, ...added],
    }),
  );
  return madeImage({ bytes, mediaType }, configBytes, layer);
}
