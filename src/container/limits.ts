/**
 * Flags about resources -> runtime-spec `linux.resources`, by docker's rules (moby,
 * daemon/daemon_unix.go, verifyPlatformContainerResources; cli/opts). Pure.
 */

import { UsageError } from "../errors.ts";
import type { StartLimitFlags } from "../options/containers.ts";
import { parseCpuList } from "./cpu-list.ts";
import type { HostFacts } from "./facts.ts";
import type { BlockIo, CpuLimits, MemoryLimits, PidsLimit, Resources, Throttle } from "./plan.ts";
import { parseSize } from "./units.ts";

/** Flags about limits, of whichever command. */
export type LimitWishes = Partial<StartLimitFlags>;

/** docker's: a container with less does not even start. */
const MEMORY_BYTES_MIN = 6 * 1024 ** 2;

/** What `flags` ask for; undefined where nothing is limited. */
export function parseLimits(flags: LimitWishes, facts: HostFacts): Resources | undefined {
  const memory = parseMemory(flags);
  const cpu = parseCpu(flags, facts);
  const pids = parsePids(flags.pidsLimit);
  const blockIO = parseBlockIo(flags, facts);
  const resources = {
    ...(memory === undefined ? {} : { memory }),
    ...(cpu === undefined ? {} : { cpu }),
    ...(pids === undefined ? {} : { pids }),
    ...(blockIO === undefined ? {} : { blockIO }),
  };
  return Object.keys(resources).length === 0 ? undefined : resources;
}

/** `--oom-score-adj`, which only the privileged may set below what hb itself has. */
export function parseOomScoreAdj(flags: LimitWishes, facts: HostFacts): number | undefined {
  const text = flags.oomScoreAdj;
  if (text === undefined) return undefined;
  const score = parseWhole(text, "--oom-score-adj", { from: -1000, to: 1000 });
  if (score < facts.oomScoreAdj && !mayBeSpared(facts)) {
    throw new UsageError(
      `Cannot use --oom-score-adj ${score}: below hb's own ${facts.oomScoreAdj} takes ` +
        "CAP_SYS_RESOURCE",
      { hint: `use ${facts.oomScoreAdj} or more, or run hb as root of the machine` },
    );
  }
  return score;
}

/** proc_pid_oom_score_adj(5): what a user namespace of ours gives does not count. */
function mayBeSpared({ identity, boundingCapabilities }: HostFacts): boolean {
  const CAP_SYS_RESOURCE = 24n;
  return identity.uidMappings.length === 0 && ((boundingCapabilities >> CAP_SYS_RESOURCE) & 1n) > 0;
}

function parseMemory(flags: LimitWishes): MemoryLimits | undefined {
  const limit = sizeOf(flags.memory, "--memory");
  const reservation = sizeOf(flags.memoryReservation, "--memory-reservation");
  for (const [flag, size] of [
    ["--memory", limit],
    ["--memory-reservation", reservation],
  ] as const) {
    if (size !== undefined && size < MEMORY_BYTES_MIN) refuse(flag, size, "the minimum is 6m");
  }
  if (limit !== undefined && reservation !== undefined && reservation > limit) {
    refuse("--memory-reservation", flags.memoryReservation, "it is more than --memory");
  }
  const swap = parseSwap(flags.memorySwap, limit);
  const swappiness = parseSwappiness(flags.memorySwappiness);
  const limits = {
    ...(limit === undefined ? {} : { limit }),
    ...(reservation === undefined ? {} : { reservation }),
    ...(swap === undefined ? {} : { swap }),
    ...(swappiness === undefined ? {} : { swappiness }),
    ...(flags.oomKillDisable === true ? { disableOOMKiller: true } : {}),
  };
  return Object.keys(limits).length === 0 ? undefined : limits;
}

/** docker reads 0 as "not given". */
function sizeOf(text: string | undefined, flag: string): number | undefined {
  return text === undefined || text.trim() === "0" ? undefined : parseSize(text, flag);
}

/** Memory and swap together; where only memory is limited, docker gives as much swap again. */
function parseSwap(text: string | undefined, memory: number | undefined): number | undefined {
  const flag = "--memory-swap";
  if (text?.trim() === "-1") return -1;
  const swap = sizeOf(text, flag);
  if (swap === undefined) return memory === undefined ? undefined : 2 * memory;
  if (memory === undefined) {
    throw new UsageError(`Cannot use ${flag} "${text}": it needs --memory, which it includes`);
  }
  if (swap < memory) refuse(flag, text, "it includes --memory and cannot be less");
  return swap;
}

function parseSwappiness(text: string | undefined): number | undefined {
  if (text === undefined || text === "-1") return undefined;
  return parseWhole(text, "--memory-swappiness", { from: 0, to: 100 });
}

/** docker's period, and the kernel's default. */
const PERIOD_US = 100_000;

function parseCpu(flags: LimitWishes, facts: HostFacts): CpuLimits | undefined {
  const shares = numberOf(flags.cpuShares, "--cpu-shares", { from: 0, to: 2 ** 53 - 1 });
  const bandwidth = parseBandwidth(flags, facts);
  const cpus = parseList(flags.cpusetCpus, "--cpuset-cpus", facts.onlineCpus, "CPUs");
  const nodes = facts.onlineMemoryNodes;
  const mems = parseList(flags.cpusetMems, "--cpuset-mems", nodes, "memory nodes");
  const limits = {
    ...(shares === undefined ? {} : { shares }),
    ...bandwidth,
    ...(cpus === undefined ? {} : { cpus }),
    ...(mems === undefined ? {} : { mems }),
  };
  return Object.keys(limits).length === 0 ? undefined : limits;
}

function parseBandwidth(flags: LimitWishes, facts: HostFacts): Pick<CpuLimits, "quota" | "period"> {
  const period = numberOf(flags.cpuPeriod, "--cpu-period", { from: 1000, to: 1_000_000 });
  const quota = parseQuota(flags.cpuQuota);
  const cpus = parseCpus(flags.cpus, facts);
  if (cpus === undefined) {
    return {
      ...(quota === undefined ? {} : { quota }),
      ...(period === undefined ? {} : { period }),
    };
  }
  for (const [flag, value] of [
    ["--cpu-period", period],
    ["--cpu-quota", quota],
  ] as const) {
    if (value !== undefined) {
      throw new UsageError(`Cannot use --cpus together with ${flag}: it sets both`);
    }
  }
  return { quota: Math.round(cpus * PERIOD_US), period: PERIOD_US };
}

function parseQuota(text: string | undefined): number | undefined {
  if (text === "-1") return -1;
  return numberOf(text, "--cpu-quota", { from: 1000, to: 2 ** 53 - 1 });
}

function parseCpus(text: string | undefined, facts: HostFacts): number | undefined {
  if (text === undefined) return undefined;
  if (!/^(\d+(\.\d*)?|\.\d+)$/.test(text)) refuse("--cpus", text, "that is no number of CPUs");
  const cpus = Number(text);
  if (cpus === 0) return undefined;
  const most = parseCpuList(facts.onlineCpus)?.length ?? 1;
  if (cpus < 0.01 || cpus > most) refuse("--cpus", text, `this machine has 0.01 to ${most}`);
  return cpus;
}

function parseList(
  text: string | undefined,
  flag: string,
  available: string,
  what: string,
): string | undefined {
  if (text === undefined || text === "") return undefined;
  const wanted = parseCpuList(text);
  if (wanted === undefined) refuse(flag, text, "that is no list such as 0-2,4");
  const online = parseCpuList(available) ?? [];
  if (wanted.some((number) => !online.includes(number))) {
    refuse(flag, text, `this machine has the ${what} ${available}`);
  }
  return text;
}

/** -1 and 0 are docker's "no limit". */
function parsePids(text: string | undefined): PidsLimit | undefined {
  if (text === undefined) return undefined;
  const limit = parseWhole(text, "--pids-limit", { from: -1, to: 2 ** 22 });
  return { limit: limit === 0 ? -1 : limit };
}

function parseBlockIo(flags: LimitWishes, facts: HostFacts): BlockIo | undefined {
  const weight = flags.blkioWeight === "0" ? undefined : flags.blkioWeight;
  const chosen = numberOf(weight, "--blkio-weight", { from: 10, to: 1000 });
  const { deviceReadBps = [], deviceWriteBps = [] } = flags;
  const { deviceReadIops = [], deviceWriteIops = [] } = flags;
  const rates = [...deviceReadBps, ...deviceWriteBps, ...deviceReadIops, ...deviceWriteIops];
  if (chosen === undefined && rates.length === 0) return undefined;
  const throttles = (texts: readonly string[], flag: string) =>
    texts.map((text) => parseThrottle(text, flag, facts));
  return {
    ...(chosen === undefined ? {} : { weight: chosen }),
    throttleReadBpsDevice: throttles(deviceReadBps, "--device-read-bps"),
    throttleWriteBpsDevice: throttles(deviceWriteBps, "--device-write-bps"),
    throttleReadIOPSDevice: throttles(deviceReadIops, "--device-read-iops"),
    throttleWriteIOPSDevice: throttles(deviceWriteIops, "--device-write-iops"),
  };
}

/** `/dev/sda:1mb`, `/dev/sda:100`. */
function parseThrottle(text: string, flag: string, facts: HostFacts): Throttle {
  const [, path, amount = ""] = /^(\/dev\/.+):([^:]+)$/.exec(text) ?? [];
  if (path === undefined) refuse(flag, text, "it is not DEVICE:RATE", "write /dev/sda:1mb");
  if (facts.identity.uidMappings.length > 0) {
    // The kernel would take it of a delegated cgroup, where systemd hands on io at all.
    refuse(flag, text, "only root may slow a device down", "run hb as root");
  }
  const device = facts.blockDevice(path);
  if (device === undefined) refuse(flag, text, `${path} is no block device of this machine`);
  const rate = flag.endsWith("-bps")
    ? parseSize(amount, `${flag} ${path}:`)
    : parseWhole(amount, `${flag} ${path}:`, { from: 1, to: 2 ** 32 - 1 });
  return { ...device, rate };
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** docker's 0 is "not given". */
function numberOf(text: string | undefined, flag: string, range: Range): number | undefined {
  return text === undefined || text === "0" ? undefined : parseWhole(text, flag, range);
}

function parseWhole(text: string, flag: string, { from, to }: Range): number {
  const number = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= from && number <= to) return number;
  return refuse(flag, text, `it is no number from ${from} to ${to}`);
}

function refuse(flag: string, value: unknown, why: string, hint?: string): never {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  throw new UsageError(`Cannot use ${flag} ${shown}: ${why}`, hint === undefined ? {} : { hint });
}
