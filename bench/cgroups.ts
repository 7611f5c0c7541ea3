/**
 * crun refuses machines that have some controllers in cgroup v1 and some in v2 ("hybrid"). For the
 * bench's time the latter move to v1 mounts of the workspace; the kernel gives them back after.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Workspace } from "./workspace.ts";

const cgroups = "/sys/fs/cgroup";

/** Makes a hybrid machine a v1 one until the workspace closes; does nothing elsewhere. */
export function separateCgroups(workspace: Workspace): void {
  const file = join(cgroups, "unified", "cgroup.controllers");
  if (process.getuid?.() !== 0 || !existsSync(file)) return;
  for (const controller of readFileSync(file, "utf8").trim().split(" ")) {
    if (controller === "") continue;
    const mountPoint = join(workspace.directory, `cgroup-${controller}`);
    mkdirSync(mountPoint);
    const mounted = Bun.spawnSync(["mount", "-t", "cgroup", "-o", controller, "none", mountPoint]);
    if (mounted.exitCode !== 0) continue;
    workspace.defer(() => {
      removeGroups(mountPoint);
      Bun.spawnSync(["umount", mountPoint]);
    });
  }
  const had = new Set(podmanGroups());
  workspace.defer(() => {
    for (const group of podmanGroups()) if (!had.has(group)) removeGroups(group, true);
  });
}

/** podman leaves its parent group behind in every hierarchy. */
function podmanGroups(): string[] {
  return readdirSync(cgroups)
    .map((hierarchy) => join(cgroups, hierarchy, "libpod_parent"))
    .filter((path) => existsSync(path));
}

function removeGroups(directory: string, itself = false): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) removeGroups(path, true);
  }
  if (itself) rmdirSync(directory);
}
