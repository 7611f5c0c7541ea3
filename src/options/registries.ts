/** What the user asked of a registry, without the store. */

import type { ImageFlags } from "../options.ts";

/** `hb tags REPOSITORY`. */
export interface TagsOptions extends Pick<ImageFlags, "tlsVerify" | "cacert"> {
  readonly repository: string;
}

/** `hb manifest inspect IMAGE`. */
export interface ManifestOptions extends Pick<ImageFlags, "tlsVerify" | "cacert"> {
  readonly image: string;
  /** Every platform's manifest instead of the index. */
  readonly verbose: boolean;
}
