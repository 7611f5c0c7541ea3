/** The flags of the store's commands: data, as in tables.ts. */

import type { CheckOptions, LockOptions, StoreOptions, SystemOptions } from "../options/store.ts";
import { type FlagTable, toggle } from "./flags.ts";

/** `hb check`. */
export const checkFlags: FlagTable<Omit<CheckOptions, "images">> = {
  repair: toggle("repair"),
  quiet: toggle("quiet", "q"),
  tlsVerify: { name: "tls-verify", kind: "switch", otherwise: true },
};

/** `hb lock`. */
export const lockFlags: FlagTable<Omit<LockOptions, "images">> = {
  file: { name: "file", short: "f", kind: "one", otherwise: "hb.lock" },
  quiet: toggle("quiet", "q"),
  tlsVerify: { name: "tls-verify", kind: "switch", otherwise: true },
};

/** `hb system df`. */
export const systemDfFlags: FlagTable<Omit<SystemOptions, "verb">> = {
  verbose: toggle("verbose", "v"),
  format: { name: "format", kind: "one", otherwise: "table" },
};

/** `hb store export` and `import`. */
export const storeFlags: FlagTable<Pick<StoreOptions, "quiet">> = { quiet: toggle("quiet", "q") };
