/** docker's rules about limits, as a table. */

import { describe, expect, test } from "bun:test";
import { formatError } from "../errors.ts";
import { parseCpuList } from "./cpu-list.ts";
import type { HostFacts } from "./facts.ts";
import { type LimitWishes, parseLimits, parseOomScoreAdj } from "./limits.ts";
import type { Resources } from "./plan.ts";

const mib = 1024 ** 2;

const root = {
  identity: { uidMappings: [], gidMappings: [] },
  onlineCpus: "0-1,4",
  onlineMemoryNodes: "0",
  oomScoreAdj: 200,
  boundingCapabilities: 1n << 24n,
  blockDevice: (path: string) => (path === "/dev/sda" ? { major: 8, minor: 0 } : undefined),
} as unknown as HostFacts;
const rootless = {
  ...root,
  identity: { uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }], gidMappings: [] },
} as HostFacts;

function errorOf(flags: LimitWishes, facts: HostFacts): string {
  try {
    parseLimits(flags, facts);
    parseOomScoreAdj(flags, facts);
  } catch (error) {
    return formatError(error);
  }
  return "no error";
}

describe("parseLimits()", () => {
  const understood: [string, LimitWishes, Resources | undefined][] = [
    ["no flag is no limit", {}, undefined],
    ["zeros are docker's 'not given'", { memory: "0", cpus: "0", cpuShares: "0" }, undefined],
    [
      "a memory limit brings as much swap again",
      { memory: "64m" },
      { memory: { limit: 64 * mib, swap: 128 * mib } },
    ],
    [
      "swap may be unlimited",
      { memory: "64m", memorySwap: "-1" },
      { memory: { limit: 64 * mib, swap: -1 } },
    ],
    [
      "swap as large as memory is none",
      { memory: "1g", memorySwap: "1g", memoryReservation: "512M", memorySwappiness: "0" },
      {
        memory: {
          limit: 1024 * mib,
          reservation: 512 * mib,
          swap: 1024 * mib,
          swappiness: 0,
        },
      },
    ],
    ["CPUs are a quota", { cpus: "1.5" }, { cpu: { quota: 150_000, period: 100_000 } }],
    [
      "shares, quota and sets are passed on",
      { cpuShares: "512", cpuQuota: "-1", cpuPeriod: "20000", cpusetCpus: "0,4", cpusetMems: "0" },
      { cpu: { shares: 512, quota: -1, period: 20_000, cpus: "0,4", mems: "0" } },
    ],
    ["no processes limit is none at all", { pidsLimit: "0" }, { pids: { limit: -1 } }],
    ["a processes limit", { pidsLimit: "100" }, { pids: { limit: 100 } }],
    [
      "rates of devices",
      { blkioWeight: "300", deviceReadBps: ["/dev/sda:1mb"], deviceWriteIops: ["/dev/sda:50"] },
      {
        blockIO: {
          weight: 300,
          throttleReadBpsDevice: [{ major: 8, minor: 0, rate: mib }],
          throttleWriteBpsDevice: [],
          throttleReadIOPSDevice: [],
          throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 50 }],
        },
      },
    ],
  ];
  for (const [what, flags, resources] of understood) {
    test(what, () => expect(parseLimits(flags, root)).toEqual(resources));
  }

  const refused: [LimitWishes, RegExp][] = [
    [{ memory: "5m" }, /--memory 5242880: the minimum is 6m/],
    [{ memory: "lots" }, /--memory "lots": that is no size/],
    [{ memory: "64m", memorySwap: "32m" }, /--memory-swap "32m": it includes --memory/],
    [{ memorySwap: "64m" }, /--memory-swap "64m": it needs --memory/],
    [{ memory: "64m", memoryReservation: "65m" }, /--memory-reservation "65m": it is more/],
    [{ memorySwappiness: "101" }, /--memory-swappiness "101": .* from 0 to 100/],
    [{ cpus: "4" }, /--cpus "4": this machine has 0.01 to 3/],
    [{ cpus: "0.001" }, /--cpus "0.001": this machine has/],
    [{ cpus: "two" }, /--cpus "two": that is no number of CPUs/],
    [{ cpus: "1", cpuQuota: "5000" }, /--cpus together with --cpu-quota/],
    [{ cpus: "1", cpuPeriod: "5000" }, /--cpus together with --cpu-period/],
    [{ cpuPeriod: "999" }, /--cpu-period "999": .* from 1000 to 1000000/],
    [{ cpuQuota: "10" }, /--cpu-quota "10"/],
    [{ cpuShares: "-3" }, /--cpu-shares "-3"/],
    [{ cpusetCpus: "1-" }, /--cpuset-cpus "1-": that is no list such as 0-2,4/],
    [{ cpusetCpus: "0-2" }, /--cpuset-cpus "0-2": this machine has the CPUs 0-1,4/],
    [{ cpusetMems: "1" }, /--cpuset-mems "1": this machine has the memory nodes 0/],
    [{ pidsLimit: "many" }, /--pids-limit "many"/],
    [{ blkioWeight: "9" }, /--blkio-weight "9": .* from 10 to 1000/],
    [{ deviceReadBps: ["sda:1mb"] }, /--device-read-bps "sda:1mb": it is not DEVICE:RATE/],
    [{ deviceReadBps: ["/dev/null:1mb"] }, /\/dev\/null is no block device of this machine/],
    [{ deviceWriteIops: ["/dev/sda:1mb"] }, /--device-write-iops \/dev\/sda: "1mb"/],
    [{ oomScoreAdj: "1001" }, /--oom-score-adj "1001": .* from -1000 to 1000/],
  ];
  for (const [flags, message] of refused) {
    test(`refuses ${JSON.stringify(flags)}`, () => expect(errorOf(flags, root)).toMatch(message));
  }

  test("an ordinary user can neither slow devices down nor be spared by the OOM killer", () => {
    expect(errorOf({ deviceReadBps: ["/dev/sda:1mb"] }, rootless)).toMatch(/only root may/);
    expect(errorOf({ oomScoreAdj: "-5" }, rootless)).toMatch(/below hb's own 200 takes CAP_SYS_/);
    const confined = { ...root, boundingCapabilities: 0n } as HostFacts;
    expect(errorOf({ oomScoreAdj: "-5" }, confined)).toMatch(/below hb's own 200 takes CAP_SYS_/);
    expect(parseOomScoreAdj({ oomScoreAdj: "200" }, rootless)).toBe(200);
    expect(parseOomScoreAdj({ oomScoreAdj: "-5" }, root)).toBe(-5);
  });
});

describe("parseCpuList()", () => {
  test("reads single numbers and ranges", () => {
    expect(parseCpuList("0-2,7\n")).toEqual([0, 1, 2, 7]);
  });

  test("takes nothing that the kernel would not", () => {
    for (const text of ["", "a", "1-0", "0,,1", "-1", "0-99999"]) {
      expect(parseCpuList(text)).toBeUndefined();
    }
  });
});
