/**
 * What the user asked for, command by command: values only, the face between cli.ts and commands/.
 *
 * Nothing here is parsed further than the flag grammar: `volumes` holds `SRC:DST` texts. Whoever
 * decides about a value (container/, image/) parses it and says what is wrong with it.
 */

/** `--format` of reports: columns for people, or a JSON document. Others take templates, too. */
export type Format = "table" | "json";

/** Flags that choose an image and how to get it. */
export interface ImageFlags {
  /** `USER[:PASSWORD]` for the image's registry. */
  readonly creds?: string;
  /** `--locked[=FILE]`: only what this lock file has, as it has it. */
  readonly locked?: string;
  readonly platform?: string;
  /** False: `--tls-verify=false`, plain HTTP and unverified certificates are taken. */
  readonly tlsVerify: boolean;
  /** A file of CAs that may sign the registry's certificate, besides the system's. */
  readonly cacert?: string;
  readonly quiet: boolean;
  /** `--store`: more stores, which are only read. */
  readonly store: readonly string[];
}

/** Flags that shape a container; `hb run` and `hb spec` share them. */
export interface ContainerFlags {
  readonly addHost: readonly string[];
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly device: readonly string[];
  readonly dns: readonly string[];
  readonly dnsOption: readonly string[];
  readonly dnsSearch: readonly string[];
  /** "" clears the image's. */
  readonly entrypoint?: string;
  readonly env: readonly string[];
  readonly envFile: readonly string[];
  readonly groupAdd: readonly string[];
  readonly hostname?: string;
  /** `--http-proxy`: HTTP_PROXY and its like are passed in. */
  readonly httpProxy: boolean;
  readonly label: readonly string[];
  readonly labelFile: readonly string[];
  readonly mount: readonly string[];
  readonly network?: string;
  readonly privileged: boolean;
  readonly readOnly: boolean;
  readonly securityOpt: readonly string[];
  readonly shmSize?: string;
  readonly stopSignal?: string;
  readonly tmpfs: readonly string[];
  readonly tty: boolean;
  readonly ulimit: readonly string[];
  readonly user?: string;
  readonly volume: readonly string[];
  readonly workdir?: string;
}

/** `always`, `missing` or `never`. */
export type PullPolicy = "always" | "missing" | "never";

/** `hb spec [flags] IMAGE DIR [COMMAND]`. */
export interface SpecOptions extends ContainerFlags, ImageFlags {
  readonly pull: PullPolicy;
  readonly image: string;
  readonly directory: string;
  readonly command: readonly string[];
}

/** `hb pull`, but for what is pulled. */
export interface PullFlags extends ImageFlags {
  /** As `90s` or `5m`, for all of it together. */
  readonly timeout?: string;
  /** The images are repositories: every tag of them. */
  readonly allTags: boolean;
}

/** `hb pull IMAGE…`. */
export interface PullOptions extends PullFlags {
  readonly images: readonly string[];
}

/** `hb images [IMAGE]`. */
export interface ImagesOptions {
  /** Taken for docker's sake: there are no intermediate images to show. */
  readonly all: boolean;
  readonly digests: boolean;
  /** `KEY=VALUE`. */
  readonly filter: readonly string[];
  /** `table`, `json`, or a template after `table ` or alone. */
  readonly format: string;
  readonly noTrunc: boolean;
  readonly quiet: boolean;
  readonly store: readonly string[];
  /** Only images whose name is this. */
  readonly image?: string;
}

/** `hb rmi IMAGE…`. */
export interface RmiOptions {
  readonly images: readonly string[];
  /** Images that are not there are no error. */
  readonly force: boolean;
}

/** `hb inspect CONTAINER|IMAGE…`. */
export interface InspectOptions {
  readonly names: readonly string[];
  /** `container` or `image`, where a name may be either's. */
  readonly type?: string;
  /** `json` or a template. */
  readonly format?: string;
  readonly platform?: string;
  readonly store: readonly string[];
}

/** `hb network create [flags] NAME`. */
export interface NetworkCreateFlags {
  readonly subnet?: string;
  readonly gateway?: string;
  readonly internal: boolean;
}

/** `hb network VERB`. */
export type NetworkOptions =
  | ({ readonly verb: "create"; readonly name: string } & NetworkCreateFlags)
  | { readonly verb: "ls"; readonly quiet: boolean; readonly format: string }
  | { readonly verb: "rm"; readonly names: readonly string[]; readonly force: boolean }
  | { readonly verb: "inspect"; readonly names: readonly string[]; readonly format?: string }
  | { readonly verb: "prune" };

/** `hb prune` and `hb clean`. */
export interface PruneOptions {
  /** Everything, images in use by nobody included. */
  readonly all: boolean;
  /** Ended containers, and nothing else. */
  readonly containers: boolean;
  /** `until=TIME`, `label=NAME[=VALUE]` and `label!=`: only images and containers of these. */
  readonly filter: readonly string[];
  /** docker's, which asks without it; hb does not. */
  readonly force: boolean;
  /** What no image needs, but no containers. */
  readonly images: boolean;
  /** Images, the least recently used first, until the layers take no more than this. */
  readonly keep?: string;
}

/** `hb doctor` and `hb version`. */
export interface ReportOptions {
  readonly format: Format;
}

/** `hb info` and `hb version`. */
export interface FormatOptions {
  /** `json` or a template; text for people where absent. */
  readonly format?: string;
}

/** `hb help [COMMAND]`. */
export interface HelpOptions {
  readonly topic?: string;
}
