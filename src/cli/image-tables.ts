/** The flags of the commands that make, name and move images: data, as ./tables.ts. */

import type {
  CommitFlags,
  HistoryFlags,
  ImportFlags,
  LoadOptions,
  PushFlags,
  SaveFlags,
} from "../options/images.ts";
import { type FlagTable, many, one, toggle } from "./flags.ts";
import { imageFlags } from "./tables.ts";

/** `hb history`. */
export const historyFlags: FlagTable<HistoryFlags> = {
  format: { name: "format", kind: "one", otherwise: "table" },
  human: { name: "human", short: "H", kind: "switch", otherwise: true },
  noTrunc: toggle("no-trunc"),
  platform: one("platform"),
  quiet: toggle("quiet", "q"),
  store: many("store"),
};

/** `hb save`. */
export const saveFlags: FlagTable<SaveFlags> = {
  output: one("output", "o"),
  platform: one("platform"),
  store: many("store"),
};

/** `hb load`. */
export const loadFlags: FlagTable<LoadOptions> = {
  input: one("input", "i"),
  platform: one("platform"),
  quiet: toggle("quiet", "q"),
};

const { locked: _, store: __, ...registryFlags } = imageFlags;

/** `hb push`. */
export const pushFlags: FlagTable<PushFlags> = {
  ...registryFlags,
  allTags: toggle("all-tags", "a"),
  digestfile: one("digestfile"),
};

/** `hb commit`. */
export const commitFlags: FlagTable<CommitFlags> = {
  author: one("author", "a"),
  change: many("change", "c"),
  iidfile: one("iidfile", "i"),
  message: one("message", "m"),
  pause: { name: "pause", short: "p", kind: "switch", otherwise: true },
  quiet: toggle("quiet", "q"),
};

/** `hb import`. */
export const importFlags: FlagTable<ImportFlags> = {
  cacert: imageFlags.cacert,
  change: many("change", "c"),
  message: one("message", "m"),
  platform: one("platform"),
  quiet: toggle("quiet", "q"),
  tlsVerify: imageFlags.tlsVerify,
};
