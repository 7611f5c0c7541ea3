/** Every command's flags: data. Names, letters and defaults are docker's where docker has them. */

import type {
  ContainerFlags,
  ImageFlags,
  ImagesOptions,
  InspectOptions,
  NetworkCreateFlags,
  PruneOptions,
  ReportOptions,
  RmiOptions,
  RunFlags,
  SpecOptions,
} from "../options.ts";
import type { Flag, FlagTable } from "./flags.ts";

function many(name: string, short?: string): Flag {
  return short === undefined ? { name, kind: "many" } : { name, short, kind: "many" };
}

function one(name: string, short?: string): Flag {
  return short === undefined ? { name, kind: "one" } : { name, short, kind: "one" };
}

function toggle(name: string, short?: string): Flag {
  return short === undefined ? { name, kind: "switch" } : { name, short, kind: "switch" };
}

const format: Flag = {
  name: "format",
  kind: "one",
  choices: ["table", "json"],
  otherwise: "table",
};

const pull: Flag = {
  name: "pull",
  kind: "one",
  choices: ["always", "missing", "never"],
  otherwise: "missing",
};

const imageFlags: FlagTable<ImageFlags> = {
  platform: one("platform"),
  tlsVerify: { name: "tls-verify", kind: "switch", otherwise: true },
  quiet: toggle("quiet", "q"),
};

const containerFlags: FlagTable<ContainerFlags> = {
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

/** `hb run`. */
export const runFlags: FlagTable<RunFlags> = {
  ...containerFlags,
  ...imageFlags,
  cidfile: one("cidfile"),
  init: toggle("init"),
  interactive: toggle("interactive", "i"),
  ip: one("ip"),
  macAddress: one("mac-address"),
  name: one("name"),
  publish: many("publish", "p"),
  publishAll: toggle("publish-all", "P"),
  pull,
  rm: { name: "rm", kind: "switch", otherwise: true },
  rootfs: one("rootfs"),
};

/** `hb spec`. */
export const specFlags: FlagTable<Omit<SpecOptions, "image" | "directory" | "command">> = {
  ...containerFlags,
  ...imageFlags,
  pull,
};

/** `hb pull`. */
export const pullFlags: FlagTable<ImageFlags> = imageFlags;

/** `hb images`. */
export const imagesFlags: FlagTable<Pick<ImagesOptions, "quiet" | "format">> = {
  quiet: toggle("quiet", "q"),
  format,
};

/** `hb rmi`. */
export const rmiFlags: FlagTable<Pick<RmiOptions, "force">> = { force: toggle("force", "f") };

/** `hb inspect`. */
export const inspectFlags: FlagTable<Pick<InspectOptions, "platform">> = {
  platform: one("platform"),
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
  format,
};

/** `hb network rm`. */
export const networkRmFlags: FlagTable<{ readonly force: boolean }> = {
  force: toggle("force", "f"),
};

/** `hb prune` and `hb clean`. */
export const pruneFlags: FlagTable<PruneOptions> = { all: toggle("all", "a") };

/** `hb doctor` and `hb version`. */
export const reportFlags: FlagTable<ReportOptions> = { format };

/**
 * Flags `docker run` has and `hb run` has not (docker/cli, cli/command/container/opts.go), so that
 * a pasted command line fails with a sentence about the flag and not with a guess.
 */
export const dockerOnlyFlags: readonly string[] = (
  "annotation attach blkio-weight blkio-weight-device cgroup-parent cgroupns cpu-count " +
  "cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus " +
  "cpuset-cpus cpuset-mems detach detach-keys device-cgroup-rule device-read-bps " +
  "device-read-iops device-write-bps device-write-iops disable-content-trust domainname " +
  "expose gpus health-cmd health-interval health-retries health-start-interval " +
  "health-start-period health-timeout ip6 ipc isolation kernel-memory link link-local-ip " +
  "log-driver log-opt memory memory-reservation memory-swap memory-swappiness " +
  "net-alias network-alias no-healthcheck oom-kill-disable oom-score-adj pid pids-limit " +
  "restart runtime sig-proxy stop-timeout storage-opt sysctl " +
  "use-api-socket userns uts volume-driver volumes-from"
).split(" ");

/** The letters of those. */
export const dockerOnlyLetters: Readonly<Record<string, string>> = {
  a: "attach",
  c: "cpu-shares",
  d: "detach",
  m: "memory",
};
