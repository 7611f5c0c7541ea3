/** What the user asked for of images: the face between cli.ts and commands/, as ../options.ts. */

import type { ImageFlags } from "../options.ts";

/** `hb tag SOURCE TARGET`. */
export interface TagOptions {
  readonly source: string;
  readonly target: string;
}

/** `hb history [flags] IMAGE`. */
export interface HistoryFlags {
  /** `table`, `json`, or a template after `table ` or alone. */
  readonly format: string;
  /** False: bytes and dates instead of rounded sizes and ages. */
  readonly human: boolean;
  readonly noTrunc: boolean;
  readonly platform?: string;
  readonly quiet: boolean;
}
export interface HistoryOptions extends HistoryFlags {
  readonly image: string;
}

/** `hb save [-o FILE] IMAGE…`. */
export interface SaveFlags {
  /** Standard output where absent. */
  readonly output?: string;
  readonly platform?: string;
}
export interface SaveOptions extends SaveFlags {
  readonly images: readonly string[];
}

/** `hb load [-i FILE]`. */
export interface LoadOptions {
  /** Standard input where absent. */
  readonly input?: string;
  readonly platform?: string;
  /** Only results and notices are printed. */
  readonly quiet: boolean;
}

/** `hb push [flags] IMAGE [DESTINATION]`. */
export interface PushFlags extends Omit<ImageFlags, "locked"> {
  /** Every tag of the repository IMAGE. */
  readonly allTags: boolean;
  /** The file that gets the digest, too. */
  readonly digestfile?: string;
}
export interface PushOptions extends PushFlags {
  readonly image: string;
  /** IMAGE itself where absent. */
  readonly destination?: string;
}

/** `hb import [flags] FILE|-|URL [REFERENCE]`. */
export interface ImportFlags {
  /** Dockerfile instructions. */
  readonly change: readonly string[];
  readonly message?: string;
  readonly platform?: string;
  /** Only results and notices are printed. */
  readonly quiet: boolean;
}
export interface ImportOptions extends ImportFlags {
  readonly source: string;
  readonly reference?: string;
}
