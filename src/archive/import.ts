/**
 * A tar of files as an image of one layer: what `docker export` and debootstrap make. The tar is
 * the layer as it is.
 */

import { digestOf } from "../image/digest.ts";
import type { JsonObject } from "../image/json.ts";
import { ociConfig, ociManifest } from "../image/media-type.ts";
import type { Platform } from "../image/platform.ts";
import { formatManifest, layerType } from "./layout.ts";
import { type MadeImage, madeImage, type TarFile, tarDigest } from "./made.ts";

/** What is said of the new image. */
export interface ImportFacts {
  readonly platform: Platform;
  readonly config: JsonObject;
  readonly comment: string;
  readonly created: Date;
}

/** Makes the image of the tar in `archive`, which the caller keeps open. */
export function importImage(archive: TarFile, facts: ImportFacts): MadeImage {
  const diffID = tarDigest(archive);
  const created = facts.created.toISOString();
  const { os, architecture, variant } = facts.platform;
  const config = Buffer.from(
    JSON.stringify({
      created,
      architecture,
      ...(variant === undefined ? {} : { variant }),
      os,
      config: facts.config,
      rootfs: { type: "layers", diff_ids: [diffID] },
      history: [{ created, comment: facts.comment }],
    }),
  );
  const about = { mediaType: ociConfig, digest: digestOf(config), size: config.length };
  const layer = { mediaType: layerType("none"), digest: diffID, size: archive.size };
  const manifest = { bytes: formatManifest(about, [layer]), mediaType: ociManifest };
  return madeImage(manifest, config, { ...archive, digest: diffID });
}
