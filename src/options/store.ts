/** What was asked of the store's commands: values only, as in options.ts. */

/** `hb check [flags] [IMAGE…]`. */
export interface CheckOptions {
  /** All when there are none. */
  readonly images: readonly string[];
  readonly repair: boolean;
  readonly quiet: boolean;
  readonly tlsVerify: boolean;
}

/** `hb lock [flags] [IMAGE…]`. */
export interface LockOptions {
  /** None: all that are in the file. */
  readonly images: readonly string[];
  readonly file: string;
  readonly quiet: boolean;
  readonly tlsVerify: boolean;
}

/** `hb system df`. */
export interface SystemOptions {
  readonly verb: "df";
  /** A row for each image and container. */
  readonly verbose: boolean;
  /** `table`, `json`, or a template. */
  readonly format: string;
}

/** `hb store export|import [flags] DIR [IMAGE…]`. */
export interface StoreOptions {
  readonly verb: "export" | "import";
  readonly directory: string;
  /** All when there are none. */
  readonly images: readonly string[];
  readonly quiet: boolean;
}
