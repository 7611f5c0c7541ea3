/** Every command's flags: data. Names, letters and defaults are docker's where docker has them. */

import type {
  ContainerFlags,
  FormatOptions,
  ImageFlags,
  ImagesOptions,
  InspectOptions,
  NetworkCreateFlags,
  PruneOptions,
  PullFlags,
  ReportOptions,
  RmiOptions,
  SpecOptions,
} from "../options.ts";
import { type Flag, type FlagTable, many, one, toggle } from "./flags.ts";

const reportFormat: Flag = {
  name: "format",
  kind: "one",
  choices: ["table", "json"],
  otherwise: "table",
};

/** The same words, or a template: whoever prints reads it. */
const listFormat: Flag = { name: "format", kind: "one", otherwise: "table" };

/** `--pull`. */
export const pull: Flag = {
  name: "pull",
  kind: "one",
  choices: ["always", "missing", "never"],
  otherwise: "missing",
};

/** What chooses an image. */
export const imageFlags: FlagTable<ImageFlags> = {
  creds: one("creds"),
  locked: { name: "locked", kind: "one", bare: "hb.lock" },
  platform: one("platform"),
  tlsVerify: { name: "tls-verify", kind: "switch", otherwise: true },
  cacert: one("cacert"),
  quiet: toggle("quiet", "q"),
  store: many("store"),
};

/** What shapes a container. */
export const containerFlags: FlagTable<ContainerFlags> = {
  addHost: many("add-host"),
  capAdd: many("cap-add"),
  capDrop: many("cap-drop"),
  device: many("device"),
  dns: many("dns"),
  dnsOption: { name: "dns-option", alias: "dns-opt", kind: "many" },
  dnsSearch: many("dns-search"),
  entrypoint: one("entrypoint"),
  env: many("env", "e"),
  envFile: many("env-file"),
  groupAdd: many("group-add"),
  hostname: one("hostname", "h"),
  httpProxy: toggle("http-proxy"),
  label: many("label", "l"),
  labelFile: many("label-file"),
  mount: many("mount"),
  network: { name: "network", alias: "net", kind: "one" },
  privileged: toggle("privileged"),
  readOnly: toggle("read-only"),
  securityOpt: many("security-opt"),
  shmSize: one("shm-size"),
  stopSignal: one("stop-signal"),
  tmpfs: many("tmpfs"),
  tty: toggle("tty", "t"),
  ulimit: many("ulimit"),
  user: one("user", "u"),
  volume: many("volume", "v"),
  workdir: one("workdir", "w"),
};

/** `hb spec`. */
export const specFlags: FlagTable<Omit<SpecOptions, "image" | "directory" | "command">> = {
  ...containerFlags,
  ...imageFlags,
  pull,
};

/** `hb pull`. */
export const pullFlags: FlagTable<PullFlags> = {
  ...imageFlags,
  allTags: toggle("all-tags", "a"),
  timeout: one("timeout"),
};

/** `hb images`. */
export const imagesFlags: FlagTable<Omit<ImagesOptions, "image">> = {
  all: toggle("all", "a"),
  digests: toggle("digests"),
  filter: many("filter", "f"),
  format: listFormat,
  noTrunc: toggle("no-trunc"),
  quiet: toggle("quiet", "q"),
  store: many("store"),
};

/** `hb rmi`. */
export const rmiFlags: FlagTable<Pick<RmiOptions, "force">> = { force: toggle("force", "f") };

/** `hb inspect`. */
export const inspectFlags: FlagTable<Omit<InspectOptions, "names">> = {
  format: one("format", "f"),
  platform: one("platform"),
  store: many("store"),
  type: { name: "type", kind: "one", choices: ["container", "image"] },
};

/** `hb network create`. */
export const networkCreateFlags: FlagTable<NetworkCreateFlags> = {
  subnet: one("subnet"),
  gateway: one("gateway"),
  internal: toggle("internal"),
};

/** `hb network ls`. */
export const networkLsFlags: FlagTable<Pick<ImagesOptions, "quiet" | "format">> = {
  quiet: toggle("quiet", "q"),
  format: listFormat,
};

/** `hb network inspect`. */
export const networkInspectFlags: FlagTable<Pick<InspectOptions, "format">> = {
  format: one("format", "f"),
};

/** `hb network rm`. */
export const networkRmFlags: FlagTable<{ readonly force: boolean }> = {
  force: toggle("force", "f"),
};

/** `hb prune` and `hb clean`. */
export const pruneFlags: FlagTable<PruneOptions> = {
  all: toggle("all", "a"),
  containers: toggle("containers"),
  filter: many("filter"),
  force: toggle("force", "f"),
  images: toggle("images"),
  keep: one("keep"),
};

/** `hb doctor`. */
export const reportFlags: FlagTable<ReportOptions> = { format: reportFormat };

/** `hb info` and `hb version`. */
export const formatFlags: FlagTable<FormatOptions> = { format: one("format", "f") };

/**
 * Flags `docker run` has and `hb run` has not (docker/cli, cli/command/container/opts.go), so that
 * a pasted command line fails with a sentence about the flag and not with a guess.
 */
export const dockerOnlyFlags: readonly string[] = (
  "annotation blkio-weight-device cgroupns cpu-count " +
  "cpu-percent cpu-rt-period cpu-rt-runtime " +
  "device-cgroup-rule disable-content-trust domainname " +
  "expose gpus ip6 ipc isolation kernel-memory link link-local-ip " +
  "net-alias network-alias pid runtime storage-opt sysctl " +
  "use-api-socket userns uts volume-driver volumes-from"
).split(" ");
