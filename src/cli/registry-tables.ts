/** The flags of the commands that ask a registry: data. */

import type { ManifestOptions, TagsOptions } from "../options/registries.ts";
import { type FlagTable, toggle } from "./flags.ts";
import { imageFlags } from "./tables.ts";

/** `hb tags`. */
export const tagsFlags: FlagTable<Omit<TagsOptions, "repository">> = {
  tlsVerify: imageFlags.tlsVerify,
  cacert: imageFlags.cacert,
};

/** `hb manifest inspect`. */
export const manifestFlags: FlagTable<Omit<ManifestOptions, "image">> = {
  ...tagsFlags,
  verbose: toggle("verbose", "v"),
};
