/** Flags of the commands about containers: data, docker's where docker has them. */

import type {
  AttachFlags,
  AttachOwnFlags,
  CpFlags,
  CreateFlags,
  EventsOptions,
  ExecFlags,
  ExportFlags,
  HealthFlags,
  KillFlags,
  LifeFlags,
  LimitFlags,
  LogsFlags,
  PsOptions,
  RmFlags,
  RunFlags,
  StartFlags,
  StartLimitFlags,
  StatsFlags,
  StopFlags,
  UpdateFlags,
  WaitFlags,
} from "../options/containers.ts";
import { type FlagTable, many, one, toggle } from "./flags.ts";
import { containerFlags, imageFlags, pull } from "./tables.ts";

const limitFlags: FlagTable<LimitFlags> = {
  blkioWeight: one("blkio-weight"),
  cpuPeriod: one("cpu-period"),
  cpuQuota: one("cpu-quota"),
  cpuShares: one("cpu-shares", "c"),
  cpus: one("cpus"),
  cpusetCpus: one("cpuset-cpus"),
  cpusetMems: one("cpuset-mems"),
  memory: one("memory", "m"),
  memoryReservation: one("memory-reservation"),
  memorySwap: one("memory-swap"),
  pidsLimit: one("pids-limit"),
};

const startLimitFlags: FlagTable<StartLimitFlags> = {
  ...limitFlags,
  cgroupParent: one("cgroup-parent"),
  deviceReadBps: many("device-read-bps"),
  deviceReadIops: many("device-read-iops"),
  deviceWriteBps: many("device-write-bps"),
  deviceWriteIops: many("device-write-iops"),
  memorySwappiness: one("memory-swappiness"),
  oomKillDisable: toggle("oom-kill-disable"),
  oomScoreAdj: one("oom-score-adj"),
};

const healthFlags: FlagTable<HealthFlags> = {
  healthCmd: one("health-cmd"),
  healthInterval: one("health-interval"),
  healthRetries: one("health-retries"),
  healthStartInterval: one("health-start-interval"),
  healthStartPeriod: one("health-start-period"),
  healthTimeout: one("health-timeout"),
  noHealthcheck: toggle("no-healthcheck"),
};

const lifeFlags: FlagTable<LifeFlags> = {
  ...healthFlags,
  ...startLimitFlags,
  logDriver: one("log-driver"),
  logOpt: many("log-opt"),
  restart: one("restart"),
  stopTimeout: one("stop-timeout"),
  timeout: one("timeout"),
};

const attachFlags: FlagTable<AttachFlags> = {
  detachKeys: one("detach-keys"),
  sigProxy: { name: "sig-proxy", kind: "switch", otherwise: true },
};

/** `hb create`. */
export const createFlags: FlagTable<CreateFlags> = {
  ...containerFlags,
  ...imageFlags,
  ...lifeFlags,
  cidfile: one("cidfile"),
  init: toggle("init"),
  interactive: toggle("interactive", "i"),
  ip: one("ip"),
  macAddress: one("mac-address"),
  name: one("name"),
  publish: many("publish", "p"),
  publishAll: toggle("publish-all", "P"),
  pull,
  rm: { name: "rm", kind: "switch", mayBeAbsent: true },
  rootfs: one("rootfs"),
};

/** `hb run`. */
export const runFlags: FlagTable<RunFlags> = {
  ...createFlags,
  ...attachFlags,
  attach: many("attach", "a"),
  detach: toggle("detach", "d"),
};

/** `hb start`. */
export const startFlags: FlagTable<StartFlags> = {
  ...attachFlags,
  attach: toggle("attach", "a"),
  interactive: toggle("interactive", "i"),
};

/** `hb stop` and `hb restart`. */
export const stopFlags: FlagTable<StopFlags> = {
  signal: one("signal", "s"),
  time: { name: "time", short: "t", alias: "timeout", kind: "one" },
};

/** `hb kill`. */
export const killFlags: FlagTable<KillFlags> = {
  signal: { name: "signal", short: "s", kind: "one", otherwise: "KILL" },
};

/** `hb wait`. */
export const waitFlags: FlagTable<WaitFlags> = { condition: one("condition") };

/** `hb rm`. */
export const rmFlags: FlagTable<RmFlags> = {
  all: toggle("all", "a"),
  force: toggle("force", "f"),
  time: { name: "time", short: "t", alias: "timeout", kind: "one" },
  volumes: toggle("volumes", "v"),
};

/** `hb attach`. */
export const attachOwnFlags: FlagTable<AttachOwnFlags> = {
  ...attachFlags,
  noStdin: toggle("no-stdin"),
};

/** `hb exec`. */
export const execFlags: FlagTable<ExecFlags> = {
  detach: toggle("detach", "d"),
  detachKeys: one("detach-keys"),
  env: many("env", "e"),
  envFile: many("env-file"),
  interactive: toggle("interactive", "i"),
  privileged: toggle("privileged"),
  tty: toggle("tty", "t"),
  user: one("user", "u"),
  workdir: one("workdir", "w"),
};

/** `hb ps`. */
export const psFlags: FlagTable<PsOptions> = {
  all: toggle("all", "a"),
  filter: many("filter", "f"),
  format: { name: "format", kind: "one", otherwise: "table" },
  last: one("last", "n"),
  latest: toggle("latest", "l"),
  noTrunc: toggle("no-trunc"),
  quiet: toggle("quiet", "q"),
  size: toggle("size", "s"),
};

/** `hb logs`. */
export const logsFlags: FlagTable<LogsFlags> = {
  details: toggle("details"),
  follow: toggle("follow", "f"),
  since: one("since"),
  tail: { name: "tail", short: "n", kind: "one", otherwise: "all" },
  timestamps: toggle("timestamps", "t"),
  until: one("until"),
};

/** `hb stats`. */
export const statsFlags: FlagTable<StatsFlags> = {
  all: toggle("all", "a"),
  format: { name: "format", kind: "one", otherwise: "table" },
  noStream: toggle("no-stream"),
  noTrunc: toggle("no-trunc"),
};

/** `hb cp`. */
export const cpFlags: FlagTable<CpFlags> = {
  archive: toggle("archive", "a"),
  followLink: toggle("follow-link", "L"),
  quiet: { ...toggle("quiet", "q"), mayBeAbsent: true },
};

/** `hb export`. */
export const exportFlags: FlagTable<ExportFlags> = { output: one("output", "o") };

/** `hb events`. */
export const eventsFlags: FlagTable<EventsOptions> = {
  filter: many("filter", "f"),
  format: one("format"),
  since: one("since"),
  until: one("until"),
};

/** `hb update`. */
export const updateFlags: FlagTable<UpdateFlags> = { ...limitFlags, restart: one("restart") };
