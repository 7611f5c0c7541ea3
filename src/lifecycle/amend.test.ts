/** Which flags hold after an update. */

import { expect, test } from "bun:test";
import { mergeLimits } from "./amend.ts";

test("what is not named stays as it is", () => {
  const before = { memory: "64m", pidsLimit: "10" };
  expect(mergeLimits(before, { pidsLimit: "20" })).toEqual({ memory: "64m", pidsLimit: "20" });
});

test("--cpus and its parts take each other's place", () => {
  const parts = { cpuQuota: "50000", cpuPeriod: "100000", cpuShares: "2" };
  expect(mergeLimits(parts, { cpus: "2" })).toEqual({ cpus: "2", cpuShares: "2" });
  expect(mergeLimits({ cpus: "2" }, { cpuQuota: "50000" })).toEqual({ cpuQuota: "50000" });
  expect(mergeLimits(parts, { cpuQuota: "1000" })).toEqual({ ...parts, cpuQuota: "1000" });
});
