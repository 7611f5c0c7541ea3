/** Bundles made of a golden plan. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bundleOf } from "./bundle.ts";
import type { Plan } from "./plan.ts";

const golden = join(import.meta.dir, "../../tests/golden/an-image-config-is-honoured/plan.json");
const plan = JSON.parse(readFileSync(golden, "utf8")) as Plan;
const root = { uid: 0, gid: 0, additionalGids: [0], home: "/root" };
const parts = { user: root, directory: "/b", volumes: [{ destination: "/data", source: "/b/v" }] };

test("a bundle has no words of hb's own", () => {
  expect(bundleOf(plan, parts)).not.toHaveProperty("hb");
  expect(bundleOf(plan, parts).root.path).toBe("rootfs");
});

test("files in memory become files of the bundle", () => {
  const hosts = bundleOf(plan, parts).mounts.find((mount) => mount.destination === "/etc/hosts");
  expect(hosts).toMatchObject({ type: "bind", source: "/b/hosts" });
});

test("cgroup file systems have the runtimes' own name, standard devices are theirs", () => {
  const { mounts } = bundleOf(plan, parts);
  const cgroup = mounts.find((mount) => mount.destination === "/sys/fs/cgroup");
  expect(cgroup?.type).toBe("cgroup");
  expect(mounts.some((mount) => mount.destination === "/dev/null")).toBe(false);
});

test("root keeps its capabilities, others have them in the bounding set only", () => {
  expect(bundleOf(plan, parts).process.capabilities).toEqual(plan.process.capabilities);
  const user = { uid: 1000, gid: 1000, additionalGids: [1000, 44], home: "/home/u" };
  const { process } = bundleOf(plan, { ...parts, user });
  expect(process.capabilities.effective).toEqual([]);
  expect(process.capabilities.bounding).toEqual(plan.process.capabilities.bounding);
  expect(process.user).toEqual({ uid: 1000, gid: 1000, additionalGids: [1000, 44] });
});

test("a rootless bundle has no additional groups that say nothing", () => {
  expect(bundleOf(plan, parts).process.user.additionalGids).toEqual([]);
});

test("HOME is the user's, unless the environment has one", () => {
  expect(bundleOf(plan, parts).process.env).toContain("HOME=/root");
  const env = [...plan.process.env, "HOME=/mine"];
  const changed = { ...plan, process: { ...plan.process, env } };
  expect(bundleOf(changed, parts).process.env).toEqual(env);
});
