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
  readonly store: readonly string[];
}
export interface HistoryOptions extends HistoryFlags {
  readonly image: string;
}

/** `hb save [-o FILE] IMAGE…`. */
export interface SaveFlags {
  /** Standard output where absent. */
  readonly output?: string;
  readonly platform?: string;
  readonly store: readonly string[];
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
export interface PushFlags extends Omit<ImageFlags, "locked" | "store"> {
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

/** `hb commit [flags] CONTAINER [REFERENCE]`. */
export interface CommitFlags {
  readonly author?: string;
  /** Dockerfile instructions. */
  readonly change: readonly string[];
  /** Where the new image's id is written as well. */
  readonly iidfile?: string;
  readonly message?: string;
  /** False: the container goes on meanwhile. */
  readonly pause: boolean;
  /** Taken for podman's sake: little is printed anyway. */
  readonly quiet: boolean;
}
export interface CommitOptions extends CommitFlags {
  readonly container: string;
  readonly reference?: string;
}

/** `hb import [flags] FILE|-|URL [REFERENCE]`. */
export interface ImportFlags extends Pick<ImageFlags, "cacert" | "tlsVerify"> {
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
