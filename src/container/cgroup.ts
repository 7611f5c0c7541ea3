/**
 * Where a container's cgroup comes from: the ladder, and what is said where it ends. Pure.
 *
 * - Version 1 as root: a directory in each hierarchy that a limit needs.
 * - Version 2 where systemd runs: a scope of systemd's, delegated. Its rules
 *   (systemd.io/CGROUP_DELEGATION) let nobody else make cgroups at the top; and a scope goes by
 *   itself, with all that is in it, however its processes ended.
 * - Version 2 without systemd, as root: a directory at the top, as far as this root sees.
 * - Version 2 without systemd, otherwise: below the process's own cgroup, if that is ours.
 */

import { HbError } from "../errors.ts";
import type { Resources } from "./plan.ts";

/** What the decision needs to know; host/cgroup.ts reads it. */
export type CgroupFacts = {
  readonly uid: number;
  /** The systemd manager that can be asked. */
  readonly manager?: "system" | "user";
} & (
  | { readonly version: undefined }
  | { readonly version: 1; readonly hierarchies: Readonly<Record<string, string>> }
  | { readonly version: 2; readonly unified: UnifiedFacts }
);

/** Version 2. Directories are absolute. */
export interface UnifiedFacts {
  readonly mountPoint: string;
  /** The mount point is the machine's first cgroup, not one that a container takes for it. */
  readonly isMachines: boolean;
  readonly hasOthersAtTop: boolean;
  readonly topControllers: readonly string[];
  readonly topEnabled: readonly string[];
  /** The cgroup of this process. */
  readonly own: string;
  readonly ownControllers: readonly string[];
  readonly isOwnWritable: boolean;
  /** Other processes are in it. */
  readonly hasOthers: boolean;
}

/** What is wanted of a cgroup. */
export interface CgroupWish {
  readonly resources: Resources;
  /** `--cgroup-parent`. */
  readonly parent?: string;
}

/** Where the container's cgroup goes, named by its id. */
export type CgroupIntent =
  | {
      readonly kind: "directories";
      readonly version: 1 | 2;
      /** Each gets a directory, after it has been made itself where it is missing. */
      readonly parents: readonly string[];
      readonly controllers: readonly string[];
      /** hb moves here first: a cgroup whose controllers are shared out holds no processes. */
      readonly supervisor?: string;
    }
  | { readonly kind: "scope"; readonly slice?: string; readonly controllers: readonly string[] };

/** The place for a container with these limits. */
export function decideCgroup(wish: CgroupWish, facts: CgroupFacts): CgroupIntent {
  if (facts.version === undefined) {
    throw new HbError("Cannot hold the limits: no cgroups are mounted here", {
      hint: "mount -t cgroup2 none /sys/fs/cgroup",
    });
  }
  if (facts.version === 1) return legacy(wish, facts.uid, facts.hierarchies);
  refuseLegacyOnly(wish.resources);
  const controllers = controllersFor(wish.resources, 2);
  const { unified, manager } = facts;
  if (manager === undefined) return direct(wish, controllers, unified, facts.uid);
  if (facts.uid === 0 || !isOurs(unified, controllers)) {
    const slice = sliceOf(wish.parent);
    return { kind: "scope", controllers, ...(slice === undefined ? {} : { slice }) };
  }
  return beside(wish, controllers, unified);
}

/** The controllers that `resources` take. */
export function controllersFor(resources: Resources, version: 1 | 2): readonly string[] {
  const { memory, cpu, pids, blockIO } = resources;
  const needsCpu = [cpu?.shares, cpu?.quota, cpu?.period].some((value) => value !== undefined);
  const needsSet = [cpu?.cpus, cpu?.mems].some((value) => value !== undefined);
  return [
    ...(memory === undefined ? [] : ["memory"]),
    ...(needsCpu ? ["cpu"] : []),
    ...(needsSet ? ["cpuset"] : []),
    ...(pids === undefined ? [] : ["pids"]),
    ...(blockIO === undefined ? [] : [version === 1 ? "blkio" : "io"]),
  ];
}

/** How an administrator hands controllers on to ordinary users. */
export const delegateControllers =
  "sudo mkdir -p /etc/systemd/system/user@.service.d && " +
  "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | " +
  "sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload";

/** Why a cgroup that there is does not do; `present` are its controllers. */
export function requireControllers(
  wanted: readonly string[],
  present: readonly string[],
  uid: number,
): void {
  const lacking = wanted.filter((controller) => !present.includes(controller));
  if (lacking.length === 0) return;
  const what = lacking.join(", ");
  if (uid === 0) {
    throw new HbError(`Cannot hold the limits: this machine's cgroups lack ${what}`);
  }
  throw new HbError(`Cannot hold the limits: ${what} not delegated to this user`, {
    hint: `to get it: ${delegateControllers}; then log out everywhere and in again`,
  });
}

function legacy(
  { resources, parent }: CgroupWish,
  uid: number,
  hierarchies: Readonly<Record<string, string>>,
): CgroupIntent {
  if (uid !== 0) {
    throw new HbError("Cannot hold the limits: cgroup v1 cannot be delegated to ordinary users", {
      hint: "run hb as root, or boot with systemd.unified_cgroup_hierarchy=1",
    });
  }
  const controllers = controllersFor(resources, 1);
  const parents = controllers.map((controller) => {
    const point = hierarchies[controller];
    if (point === undefined) {
      throw new HbError(`Cannot hold the limits: no hierarchy has the controller ${controller}`, {
        hint: `mount -t cgroup -o ${controller} none /sys/fs/cgroup/${controller}`,
      });
    }
    return `${point}/${directoryOf(parent)}`;
  });
  return { kind: "directories", version: 1, parents: [...new Set(parents)], controllers };
}

/** Settings that version 2 has no word for. */
function refuseLegacyOnly({ memory }: Resources): void {
  for (const [flag, isGiven] of [
    ["--memory-swappiness", memory?.swappiness !== undefined],
    ["--oom-kill-disable", memory?.disableOOMKiller === true],
  ] as const) {
    if (isGiven) {
      throw new HbError(`Cannot use ${flag}: only cgroup v1 has it, and this machine has v2`, {
        hint: "leave it out",
      });
    }
  }
}

function direct(
  wish: CgroupWish,
  controllers: readonly string[],
  unified: UnifiedFacts,
  uid: number,
): CgroupIntent {
  if (uid !== 0) {
    if (isOurs(unified, controllers)) return beside(wish, controllers, unified);
    throw new HbError("Cannot hold the limits: no cgroup is delegated to this user", {
      hint: unified.isMachines
        ? "log in with a session of systemd's (ssh, or sudo machinectl shell USER@), or run as root"
        : "run hb as root",
    });
  }
  requireControllers(controllers, unified.topControllers, uid);
  const isShared = controllers.every((controller) => unified.topEnabled.includes(controller));
  if (!unified.isMachines && unified.hasOthersAtTop && !isShared) {
    // "No internal processes", cgroups(7): what is at the top would have to move first.
    const root = unified.mountPoint;
    throw new HbError("Cannot hold the limits: this container's own processes are at its top", {
      hint:
        `move them: mkdir ${root}/init && ` +
        `for p in $(cat ${root}/cgroup.procs); do echo $p > ${root}/init/cgroup.procs; done`,
    });
  }
  const parent = `${unified.mountPoint}/${directoryOf(wish.parent)}`;
  return { kind: "directories", version: 2, parents: [parent], controllers };
}

/** Whether this process's cgroup can be shared out: nobody else is in it. */
function isOurs(unified: UnifiedFacts, controllers: readonly string[]): boolean {
  const { isOwnWritable, hasOthers, ownControllers } = unified;
  return isOwnWritable && !hasOthers && controllers.every((each) => ownControllers.includes(each));
}

function beside(
  { parent }: CgroupWish,
  controllers: readonly string[],
  { own }: UnifiedFacts,
): CgroupIntent {
  if (parent !== undefined) {
    throw new HbError(`Cannot use --cgroup-parent "${parent}": only ${own} is this user's`);
  }
  const supervisor = `${own}/supervisor`;
  return { kind: "directories", version: 2, parents: [own], controllers, supervisor };
}

/** `--cgroup-parent` is a path below the hierarchy's top, as with docker's cgroupfs driver. */
function directoryOf(parent: string | undefined): string {
  const path = (parent ?? "hb").replace(/^\/+|\/+$/g, "");
  if (path !== "" && path.split("/").every((part) => /^[^.][\w.@:-]*$/.test(part))) return path;
  throw new HbError(`Cannot use --cgroup-parent "${parent}": that is no path of a cgroup`);
}

/** With systemd it names a slice, as with docker's systemd driver. */
function sliceOf(parent: string | undefined): string | undefined {
  if (parent === undefined || /^[\w:.-]+\.slice$/.test(parent)) return parent;
  throw new HbError(`Cannot use --cgroup-parent "${parent}": systemd manages the cgroups here`, {
    hint: "name a slice: --cgroup-parent machine.slice",
  });
}
