/** Where cgroups come from, machine by machine; and what is written into them. */

import { describe, expect, test } from "bun:test";
import { formatError } from "../errors.ts";
import { type CgroupFacts, type CgroupWish, decideCgroup, type UnifiedFacts } from "./cgroup.ts";
import { settingsFor, weightOfBlkio, weightOfShares } from "./cgroup-settings.ts";
import type { Resources } from "./plan.ts";

const mib = 1024 ** 2;
const memory: CgroupWish = { resources: { memory: { limit: 64 * mib, swap: 128 * mib } } };

const top: UnifiedFacts = {
  mountPoint: "/sys/fs/cgroup",
  isMachines: true,
  hasOthersAtTop: true,
  topControllers: ["cpuset", "cpu", "io", "memory", "pids"],
  topEnabled: [],
  own: "/sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope",
  ownControllers: [],
  isOwnWritable: false,
  hasOthers: true,
};
const delegated: UnifiedFacts = {
  ...top,
  own: "/sys/fs/cgroup/own",
  ownControllers: ["memory", "pids"],
  isOwnWritable: true,
  hasOthers: false,
};
const container: UnifiedFacts = { ...top, isMachines: false };
const v1: CgroupFacts = {
  uid: 0,
  version: 1,
  hierarchies: { memory: "/sys/fs/cgroup/memory", cpu: "/sys/fs/cgroup/cpu,cpuacct" },
};

function intentOf(wish: CgroupWish, facts: CgroupFacts): unknown {
  try {
    return decideCgroup(wish, facts);
  } catch (error) {
    return formatError(error);
  }
}

describe("decideCgroup()", () => {
  const places: [string, CgroupFacts, object][] = [
    [
      "asks the machine's systemd as root",
      { uid: 0, manager: "system", version: 2, unified: top },
      { kind: "scope", controllers: ["memory"] },
    ],
    [
      "asks the user's systemd otherwise",
      { uid: 1000, manager: "user", version: 2, unified: top },
      { kind: "scope", controllers: ["memory"] },
    ],
    [
      "stays where hb is when that is its own",
      { uid: 1000, manager: "user", version: 2, unified: delegated },
      {
        ...{ kind: "directories", version: 2, controllers: ["memory"] },
        ...{ parents: ["/sys/fs/cgroup/own"], supervisor: "/sys/fs/cgroup/own/supervisor" },
      },
    ],
    [
      "goes to the top as root without systemd",
      { uid: 0, version: 2, unified: top },
      {
        ...{ kind: "directories", version: 2, controllers: ["memory"] },
        parents: ["/sys/fs/cgroup/hb"],
      },
    ],
    [
      "takes the hierarchies it needs of version 1",
      v1,
      {
        ...{ kind: "directories", version: 1, controllers: ["memory"] },
        parents: ["/sys/fs/cgroup/memory/hb"],
      },
    ],
  ];
  for (const [what, facts, intent] of places) {
    test(what, () => expect(intentOf(memory, facts)).toEqual(intent));
  }

  test("asks systemd when what is delegated lacks a controller, or holds others", () => {
    const user = { uid: 1000, manager: "user", version: 2 } as const;
    const cpu: CgroupWish = { resources: { cpu: { shares: 512 } } };
    expect(intentOf(cpu, { ...user, unified: delegated })).toMatchObject({ kind: "scope" });
    const shared = { ...delegated, hasOthers: true };
    expect(intentOf(memory, { ...user, unified: shared })).toMatchObject({ kind: "scope" });
  });

  test("a parent is a path, or a slice of systemd's", () => {
    const wish = { ...memory, parent: "/jobs/ci" };
    expect(intentOf(wish, { uid: 0, version: 2, unified: top })).toMatchObject({
      parents: ["/sys/fs/cgroup/jobs/ci"],
    });
    expect(intentOf({ ...memory, parent: "../x" }, v1)).toMatch(/no path of a cgroup/);
    const systemd: CgroupFacts = { uid: 0, manager: "system", version: 2, unified: top };
    expect(intentOf({ ...memory, parent: "m.slice" }, systemd)).toMatchObject({ slice: "m.slice" });
    expect(intentOf(wish, systemd)).toMatch(/systemd manages the cgroups/);
  });

  const refused: [string, CgroupWish, CgroupFacts, RegExp][] = [
    ["no cgroups at all", memory, { uid: 0, version: undefined }, /no cgroups are mounted/],
    ["version 1 without root", memory, { ...v1, uid: 1000 }, /v1 cannot be delegated.*as root/],
    [
      "a hierarchy that is not mounted",
      { resources: { pids: { limit: 5 } } },
      v1,
      /no hierarchy has the controller pids.*mount -t cgroup -o pids/,
    ],
    [
      "an ordinary user without a session",
      memory,
      { uid: 1000, version: 2, unified: top },
      /no cgroup is delegated to this user.*log in/,
    ],
    [
      "a container whose processes are in the way",
      memory,
      { uid: 0, version: 2, unified: container },
      /own processes are at its top.*mkdir \/sys\/fs\/cgroup\/init/,
    ],
    [
      "a controller this kernel lacks",
      { resources: { blockIO: blockIO({ weight: 100 }) } },
      { uid: 0, version: 2, unified: { ...top, topControllers: ["memory"] } },
      /lack io/,
    ],
    [
      "what only version 1 has",
      { resources: { memory: { swappiness: 0 } } },
      { uid: 0, version: 2, unified: top },
      /--memory-swappiness: only cgroup v1 has it/,
    ],
  ];
  for (const [what, wish, facts, message] of refused) {
    test(`says what to do about ${what}`, () => expect(intentOf(wish, facts)).toMatch(message));
  }
});

function blockIO(some: Partial<NonNullable<Resources["blockIO"]>>) {
  return {
    ...{ throttleReadBpsDevice: [], throttleWriteBpsDevice: [] },
    ...{ throttleReadIOPSDevice: [], throttleWriteIOPSDevice: [] },
    ...some,
  };
}

describe("settingsFor()", () => {
  const everything: Resources = {
    memory: { limit: 64 * mib, swap: 96 * mib, reservation: 32 * mib },
    cpu: { shares: 1024, quota: 50_000, period: 100_000, cpus: "0-1", mems: "0" },
    pids: { limit: -1 },
    blockIO: blockIO({
      weight: 500,
      throttleReadBpsDevice: [{ major: 8, minor: 0, rate: mib }],
    }),
  };
  const written = (version: 1 | 2) =>
    settingsFor(everything, version).map(({ file, value }) => `${file}=${value}`);

  test("writes version 2's words", () => {
    expect(written(2)).toEqual([
      "memory.low=33554432",
      "memory.max=67108864",
      "memory.swap.max=33554432",
      "cpu.weight=100",
      "cpu.max=50000 100000",
      "cpuset.cpus=0-1",
      "cpuset.mems=0",
      "pids.max=max",
      "io.weight=default 4950",
      "io.max=8:0 rbps=1048576",
    ]);
  });

  test("writes version 1's words, memory before memory and swap", () => {
    expect(written(1)).toEqual([
      "memory.limit_in_bytes=67108864",
      "memory.memsw.limit_in_bytes=100663296",
      "memory.soft_limit_in_bytes=33554432",
      "cpu.shares=1024",
      "cpu.cfs_period_us=100000",
      "cpu.cfs_quota_us=50000",
      "cpuset.cpus=0-1",
      "cpuset.mems=0",
      "pids.max=max",
      "blkio.weight=500",
      "blkio.throttle.read_bps_device=8:0 1048576",
    ]);
  });

  test("swap that nobody asked for may be missing", () => {
    const optional = (swap: number) =>
      settingsFor({ memory: { limit: 64 * mib, swap } }, 2).map((setting) => setting.optional);
    expect(optional(128 * mib)).toEqual([undefined, true]);
    expect(optional(64 * mib)).toEqual([undefined, false]);
  });

  test("weights meet at the defaults and at both ends", () => {
    expect([2, 1024, 262_144].map(weightOfShares)).toEqual([1, 100, 10_000]);
    expect([10, 1000].map(weightOfBlkio)).toEqual([1, 10_000]);
  });
});
