/** What a container was made from, as it was asked for: enough to show it, and to make it again. */

import type { CreateOptions } from "../options/containers.ts";
import type { ContainerImage } from "./convert.ts";

/** Kept in the plan as `hb.origin`. */
export interface Origin {
  /** What the user called the image, or the directory of `--rootfs`. */
  readonly image: string;
  /** The digest of the image's config; "" with `--rootfs`. */
  readonly imageId: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** Names of layer directories in the store, the topmost first; none with `--rootfs`. */
  readonly layers: readonly string[];
  readonly options: CreateOptions;
  /** What the image says of its process. */
  readonly config: ContainerImage;
}
