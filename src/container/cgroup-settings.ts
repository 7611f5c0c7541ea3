/**
 * Resources -> what is written to which file of a cgroup, in order (kernel admin-guide/cgroup-v2;
 * admin-guide/cgroup-v1; runtime-spec config-linux.md). Pure.
 */

import type { BlockIo, Resources, Throttle } from "./plan.ts";

/** One write. */
export interface CgroupSetting {
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** The flag that asked for it, for messages. */
  readonly flag: string;
  /** Nobody asked for just this: where the kernel has no such file, all goes as without. */
  readonly optional?: boolean;
  /** Where the kernel has no such file: the BFQ scheduler's own. */
  readonly orElse?: { readonly file: string; readonly value: string };
}

/** The writes that hold `resources`. */
export function settingsFor(resources: Resources, version: 1 | 2): readonly CgroupSetting[] {
  const settings = version === 2 ? unified(resources) : legacy(resources);
  return settings.filter((setting): setting is CgroupSetting => setting !== undefined);
}

type Maybe = CgroupSetting | undefined;

/** `-1` is no limit, in version 2's word. */
function orMax(value: number): string {
  return value < 0 ? "max" : String(value);
}

function when<T>(value: T | undefined, setting: (value: T) => CgroupSetting): Maybe {
  return value === undefined ? undefined : setting(value);
}

function unified({ memory, cpu, pids, blockIO }: Resources): Maybe[] {
  const { limit, reservation, swap } = memory ?? {};
  const of = (controller: string, flag: string) => (file: string, value: string | number) => ({
    controller,
    file,
    value: String(value),
    flag,
  });
  const bandwidth = cpu?.quota === undefined && cpu?.period === undefined ? undefined : cpu;
  return [
    // What is to be less than the limit in force comes first, so that the kernel takes either.
    when(reservation, (bytes) => of("memory", "--memory-reservation")("memory.low", orMax(bytes))),
    when(limit, (bytes) => of("memory", "--memory")("memory.max", orMax(bytes))),
    when(swap, (bytes) => {
      // Version 2 counts swap alone.
      const alone = bytes < 0 ? -1 : bytes - (limit ?? 0);
      const isDefault = limit !== undefined && bytes === 2 * limit;
      const setting = of("memory", "--memory-swap")("memory.swap.max", orMax(alone));
      return { ...setting, optional: isDefault || bytes < 0 };
    }),
    when(cpu?.shares, (shares) => of("cpu", "--cpu-shares")("cpu.weight", weightOfShares(shares))),
    when(bandwidth, ({ quota = -1, period = 100_000 }) =>
      of("cpu", "--cpus")("cpu.max", `${orMax(quota)} ${period}`),
    ),
    when(cpu?.cpus, (list) => of("cpuset", "--cpuset-cpus")("cpuset.cpus", list)),
    when(cpu?.mems, (list) => of("cpuset", "--cpuset-mems")("cpuset.mems", list)),
    when(pids, (limits) => of("pids", "--pids-limit")("pids.max", orMax(limits.limit))),
    when(blockIO?.weight, (weight) => ({
      ...of("io", "--blkio-weight")("io.weight", `default ${weightOfBlkio(weight)}`),
      orElse: { file: "io.bfq.weight", value: String(weight) },
    })),
    ...(blockIO === undefined ? [] : ratesOf(blockIO)),
  ];
}

/**
 * Shares of version 1 (2…262144, 1024 by default) as a weight of version 2 (1…10000, 100 by
 * default): the curve through the three points that runtimes agreed on (opencontainers/cgroups,
 * ConvertCPUSharesToCgroupV2Value), where a straight line made 1024 a weight of 39.
 */
export function weightOfShares(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/** 10…1000 as 1…10000, a straight line (opencontainers/cgroups, ConvertBlkIOToIOWeightValue). */
export function weightOfBlkio(weight: number): number {
  return Math.floor(1 + ((weight - 10) * 9999) / 990);
}

const RATES = [
  ["throttleReadBpsDevice", "rbps", "blkio.throttle.read_bps_device", "--device-read-bps"],
  ["throttleWriteBpsDevice", "wbps", "blkio.throttle.write_bps_device", "--device-write-bps"],
  ["throttleReadIOPSDevice", "riops", "blkio.throttle.read_iops_device", "--device-read-iops"],
  ["throttleWriteIOPSDevice", "wiops", "blkio.throttle.write_iops_device", "--device-write-iops"],
] as const;

function ratesOf(blockIO: BlockIo): CgroupSetting[] {
  return RATES.flatMap(([field, word, , flag]) =>
    blockIO[field].map(({ major, minor, rate }: Throttle) => {
      const value = `${major}:${minor} ${word}=${rate}`;
      return { controller: "io", file: "io.max", value, flag };
    }),
  );
}

function legacy({ memory, cpu, pids, blockIO }: Resources): Maybe[] {
  const { limit, reservation, swap, swappiness } = memory ?? {};
  const of = (controller: string, flag: string) => (file: string, value: string | number) => ({
    controller,
    file: `${controller}.${file}`,
    value: String(value),
    flag,
  });
  return [
    when(limit, (bytes) => of("memory", "--memory")("limit_in_bytes", bytes)),
    when(swap, (bytes) => ({
      ...of("memory", "--memory-swap")("memsw.limit_in_bytes", bytes),
      // Only there with swapaccount=1, in older kernels.
      optional: bytes < 0 || (limit !== undefined && bytes === 2 * limit),
    })),
    when(reservation, (bytes) =>
      of("memory", "--memory-reservation")("soft_limit_in_bytes", bytes),
    ),
    when(swappiness, (value) => of("memory", "--memory-swappiness")("swappiness", value)),
    when(memory?.disableOOMKiller, () => of("memory", "--oom-kill-disable")("oom_control", 1)),
    when(cpu?.shares, (shares) => of("cpu", "--cpu-shares")("shares", shares)),
    when(cpu?.period, (period) => of("cpu", "--cpu-period")("cfs_period_us", period)),
    when(cpu?.quota, (quota) => of("cpu", "--cpus")("cfs_quota_us", quota)),
    when(cpu?.cpus, (list) => of("cpuset", "--cpuset-cpus")("cpus", list)),
    when(cpu?.mems, (list) => of("cpuset", "--cpuset-mems")("mems", list)),
    when(pids, (limits) => of("pids", "--pids-limit")("max", orMax(limits.limit))),
    when(blockIO?.weight, (weight) => ({
      ...of("blkio", "--blkio-weight")("weight", weight),
      orElse: { file: "blkio.bfq.weight", value: String(weight) },
    })),
    ...(blockIO === undefined ? [] : legacyRatesOf(blockIO)),
  ];
}

function legacyRatesOf(blockIO: BlockIo): CgroupSetting[] {
  return RATES.flatMap(([field, , file, flag]) =>
    blockIO[field].map(({ major, minor, rate }: Throttle) => {
      return { controller: "blkio", file, value: `${major}:${minor} ${rate}`, flag };
    }),
  );
}
