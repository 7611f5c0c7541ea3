/**
 * A plan -> the config.json of a bundle for crun and runc, which know nothing of `hb`. Pure.
 *
 * What the helper does from the plan's `hb` object is done here with the standard's own words: the
 * files in memory become bind-mounted files of the bundle, the user a number, the overlay a
 * rootfs/.
 */

import { standardDevices } from "./devices.ts";
import { keyOf } from "./env.ts";
import type { Capabilities, Mount, Plan, Process } from "./plan.ts";

/** USER as `hb-init user` resolved it in the image. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

/** What stands in the bundle's directory beside config.json. */
export interface BundleParts {
  readonly user: ResolvedUser;
  /** Absolute. */
  readonly directory: string;
  /** Where each anonymous volume's content is: a directory of the host. */
  readonly volumes: readonly { readonly destination: string; readonly source: string }[];
}

export type Bundle = Omit<Plan, "hb">;

/** The name of a planned file in the bundle: `/etc/hosts` is `hosts`. */
export function bundleFileName(destination: string): string {
  return destination.slice(destination.lastIndexOf("/") + 1);
}

/** The bundle of `plan`. */
export function bundleOf(plan: Plan, parts: BundleParts): Bundle {
  const { hb, ...config } = plan;
  const files = hb.files.map(({ destination }) =>
    bindMount(`${parts.directory}/${bundleFileName(destination)}`, destination, [
      "nosuid",
      "noexec",
    ]),
  );
  const volumes = parts.volumes.map(({ destination, source }) =>
    bindMount(source, destination, ["rw"]),
  );
  return {
    ...config,
    // Only words of 1.0 are used, and older crun and runc refuse a newer number.
    ociVersion: "1.0.2",
    root: { ...plan.root, path: "rootfs" },
    process: bundleProcess(plan.process, bundleUser(plan, parts.user)),
    mounts: [...plan.mounts.filter(isNotStandard).map(bundleMount), ...volumes, ...files],
  };
}

function bindMount(source: string, destination: string, options: readonly string[]): Mount {
  return { destination, type: "bind", source, options: ["bind", "rprivate", "nodev", ...options] };
}

/** The standard nodes are every runtime's own business. */
function isNotStandard(mount: Mount): boolean {
  return mount.source !== mount.destination || !standardDevices.includes(mount.source);
}

/**
 * Runtimes know cgroup file systems by the one name for both versions, and make the standard nodes
 * in /dev with mknod(2), under a device cgroup of their own.
 */
function bundleMount(mount: Mount): Mount {
  if (mount.type === "cgroup2") return { ...mount, type: "cgroup" };
  if (mount.destination !== "/dev") return mount;
  return { ...mount, options: mount.options.filter((option) => option !== "nodev") };
}

/**
 * Rootless runc refuses every additional group ("cannot set any additional groups in a rootless
 * container"), also the primary one, which alone says nothing new.
 */
function bundleUser({ linux }: Plan, user: ResolvedUser): ResolvedUser {
  const isRootless = linux.uidMappings.length > 0;
  const saysNothing = user.additionalGids.every((gid) => gid === user.gid);
  return isRootless && saysNothing ? { ...user, additionalGids: [] } : user;
}

function bundleProcess(process: Process, user: ResolvedUser): Process {
  const { uid, gid, additionalGids, home } = user;
  const hasHome = process.env.some((entry) => keyOf(entry) === "HOME");
  return {
    ...process,
    user: { uid, gid, additionalGids },
    env: hasHome ? process.env : [...process.env, `HOME=${home}`],
    capabilities: uid === 0 ? process.capabilities : boundingOnly(process.capabilities),
  };
}

/** What execve(2) leaves to a user other than root; runtimes set it as it is written. */
function boundingOnly({ bounding }: Capabilities): Capabilities {
  return { bounding, effective: [], inheritable: [], permitted: [], ambient: [] };
}
