/**
 * The cgroups of this machine as container/cgroup.ts wants to know them: versions, mount points,
 * where this process is and what it may do there. cgroups(7), kernel admin-guide/cgroup-v2.
 */

import { accessSync, constants, existsSync, readFileSync, statfsSync } from "node:fs";
import type { CgroupFacts, UnifiedFacts } from "../container/cgroup.ts";
import { findManager } from "./systemd.ts";

/** statfs(2)'s f_type of cgroup v2. */
const CGROUP2_SUPER_MAGIC = 0x63677270;
const MOUNT_POINT = "/sys/fs/cgroup";

/** The facts of this machine. */
export function cgroupFacts(): CgroupFacts {
  const uid = process.geteuid?.() ?? 0;
  const manager = findManager(uid);
  const base = { uid, ...(manager === undefined ? {} : { manager: manager.kind }) };
  const mounts = cgroupMounts();
  if (mounts.version === 2) return { ...base, version: 2, unified: unifiedFacts() };
  return mounts.version === undefined
    ? { ...base, version: undefined }
    : { ...base, version: 1, hierarchies: mounts.hierarchies };
}

/** Which version there is, and where: mount points by controllers, version 2's by "". */
export function cgroupMounts(): CgroupMounts {
  if (isUnified()) return { version: 2, hierarchies: { "": MOUNT_POINT } };
  const hierarchies = legacyHierarchies(readOptional("/proc/self/mountinfo"));
  if (Object.keys(hierarchies).length === 0) return { version: undefined };
  return { version: 1, hierarchies };
}

/** What is mounted. */
export type CgroupMounts =
  | { readonly version: undefined }
  | { readonly version: 1 | 2; readonly hierarchies: Readonly<Record<string, string>> };

/** The controllers a container of this user's can be limited by. */
export function usableControllers(facts: CgroupFacts): readonly string[] {
  if (facts.version === undefined) return [];
  const { uid } = facts;
  if (facts.version === 1) return uid === 0 ? Object.keys(facts.hierarchies) : [];
  const { topControllers, ownControllers, isOwnWritable, hasOthers } = facts.unified;
  if (uid === 0) return topControllers;
  if (facts.manager === undefined) return isOwnWritable && !hasOthers ? ownControllers : [];
  const slice = `${MOUNT_POINT}/user.slice/user-${uid}.slice`;
  return wordsOf(`${slice}/user@${uid}.service/cgroup.controllers`);
}

function isUnified(): boolean {
  return existsSync(MOUNT_POINT) && statfsSync(MOUNT_POINT).type === CGROUP2_SUPER_MAGIC;
}

function unifiedFacts(): UnifiedFacts {
  const own = `${MOUNT_POINT}${ownUnifiedPath()}`.replace(/\/$/, "");
  const procs = readOptional(`${own}/cgroup.procs`).split("\n");
  return {
    mountPoint: MOUNT_POINT,
    // Every cgroup has this file but the machine's first one.
    isMachines: !existsSync(`${MOUNT_POINT}/cgroup.events`),
    hasOthersAtTop: readOptional(`${MOUNT_POINT}/cgroup.procs`)
      .split("\n")
      .some((pid) => pid !== "" && pid !== String(process.pid)),
    topControllers: wordsOf(`${MOUNT_POINT}/cgroup.controllers`),
    topEnabled: wordsOf(`${MOUNT_POINT}/cgroup.subtree_control`),
    own,
    ownControllers: wordsOf(`${own}/cgroup.controllers`),
    isOwnWritable: [own, `${own}/cgroup.procs`, `${own}/cgroup.subtree_control`].every(isWritable),
    hasOthers: procs.some((pid) => pid !== "" && pid !== String(process.pid)),
  };
}

/** This process's cgroup of version 2, as /proc/self/cgroup has it: `/user.slice/…`. */
export function ownUnifiedPath(): string {
  return /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
}

/** Version 1: the mount point of every controller (proc_pid_mountinfo(5)). */
export function legacyHierarchies(mountinfo: string): Readonly<Record<string, string>> {
  const points: Record<string, string> = {};
  for (const line of mountinfo.split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const [type, , options = ""] = right.split(" ");
    const point = left.split(" ")[4];
    if (type !== "cgroup" || point === undefined) continue;
    // `rw,cpu,cpuacct` and the like; a hierarchy without a controller is `rw,name=systemd`.
    for (const option of options.split(",")) {
      if (/^[a-z_]{3,}$/.test(option)) points[option] ??= point;
    }
  }
  return points;
}

/** The words of one of the kernel's lists; none where there is no such file. */
export function wordsOf(path: string): readonly string[] {
  return readOptional(path).split(/\s+/).filter(Boolean);
}

/** A file of the kernel's; "" where it is not there or not ours to read. */
export function readOptional(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // ENODEV, ENOENT: the cgroup, or the process, has just gone.
    if (error instanceof Error && "code" in error) return "";
    throw error;
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}
