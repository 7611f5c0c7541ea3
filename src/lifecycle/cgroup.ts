/**
 * A container's cgroup: made before the container is, with its limits in force; found again while
 * it runs. The supervisor puts the container in and removes it (helper-zig/src/cgroup.zig).
 *
 * The cgroup's own directory is named by the container's id, so that what /proc says of a process
 * tells whether it is in a cgroup of ours; and by the store, so that each collects its own garbage:
 * what is left where hb and the helper were killed at once.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type CgroupIntent, decideCgroup, requireControllers } from "../container/cgroup.ts";
import { type CgroupSetting, settingsFor } from "../container/cgroup-settings.ts";
import type { Cgroup, ContainerDirectory, Plan, Resources } from "../container/plan.ts";
import { HbError } from "../errors.ts";
import { cgroupFacts, ownUnifiedPath, wordsOf } from "../host/cgroup.ts";
import { userName } from "../host/libc.ts";
import { findManager, lingers } from "../host/systemd.ts";
import { startScope } from "../host/systemd-scope.ts";
import { printNotice } from "../output.ts";
import { leafName, removeCgroup, sweepCgroups } from "./cgroup-sweep.ts";
import { readIn, scopeName } from "./live-cgroup.ts";

const MOUNT_POINT = "/sys/fs/cgroup";

/** The plan with the cgroup that its limits need; the very plan where it has none. */
export async function grantCgroup(plan: Plan, parent: string | undefined): Promise<Plan> {
  const { resources } = plan.linux;
  if (resources === undefined) return plan;
  const wish = parent === undefined ? { resources } : { resources, parent };
  const intent = decideCgroup(wish, cgroupFacts());
  if (intent.kind === "scope" && plan.hb.life.detach !== undefined) noticeLogout();
  sweepCgroups(dirname(dirname(plan.hb.container.directory)));
  const cgroup = await makeCgroup(intent, plan.hb.container);
  try {
    writeLimits(cgroup, resources);
  } catch (error) {
    removeCgroup(cgroup);
    throw error;
  }
  return { ...plan, hb: { ...plan.hb, cgroup } };
}

/** What a user's own systemd runs ends with the last session of the user, unless they linger. */
function noticeLogout(): void {
  const uid = process.geteuid?.() ?? 0;
  const name = userName(uid) ?? String(uid);
  if (uid === 0 || lingers(name)) return;
  printNotice(
    "with limits the container ends when you log out; to keep it: sudo loginctl enable-linger " +
      name,
  );
}

/** Says what is wrong with the limits on this machine, before anything is done for them. */
export function checkCgroup(plan: Plan, parent: string | undefined): void {
  const { resources } = plan.linux;
  if (resources === undefined) return;
  decideCgroup(parent === undefined ? { resources } : { resources, parent }, cgroupFacts());
}

/** Writes what holds `resources`, into a cgroup that is there. */
export function writeLimits(cgroup: Cgroup, resources: Resources): void {
  const version = cgroup.version === 1 ? 1 : 2;
  const settings = settingsFor(resources, version);
  for (const setting of inOrder(cgroup, settings)) writeSetting(cgroup, setting);
}

/**
 * Version 1 wants memory to be no more than memory and swap together, at every moment: what grows
 * begins with the sum.
 */
function inOrder(cgroup: Cgroup, settings: readonly CgroupSetting[]): readonly CgroupSetting[] {
  const wanted = settings.find(({ file }) => file === "memory.limit_in_bytes");
  const before = readIn({ version: 1, directories: cgroup.directories }, "memory.limit_in_bytes");
  if (wanted === undefined || Number(wanted.value) <= Number(before)) return settings;
  const isSum = ({ file }: CgroupSetting) => file === "memory.memsw.limit_in_bytes";
  return [...settings.filter(isSum), ...settings.filter((setting) => !isSum(setting))];
}

async function makeCgroup(intent: CgroupIntent, container: ContainerDirectory): Promise<Cgroup> {
  if (intent.kind === "scope") return await makeInScope(intent, container);
  const { version, parents, controllers, supervisor } = intent;
  for (const parent of parents) makeParent(parent, version);
  if (supervisor !== undefined) moveTo(supervisor);
  const directories = parents.map((parent) => `${parent}/${leafName(container)}`);
  if (version === 2) shareAll(parents, controllers, supervisor !== undefined);
  for (const directory of directories) makeEmpty(directory, version);
  return { version, directories };
}

/** A scope of systemd's, hb in one part of it and the container in another. */
async function makeInScope(
  { slice, controllers }: CgroupIntent & { readonly kind: "scope" },
  container: ContainerDirectory,
): Promise<Cgroup> {
  const { id } = container;
  const uid = process.geteuid?.() ?? 0;
  const manager = findManager(uid);
  if (manager === undefined) throw new Error("systemd's manager has gone");
  const name = scopeName(id);
  await startScope(manager, {
    name,
    description: `hb container ${id.slice(0, 12)}`,
    pids: [process.pid],
    ...(slice === undefined ? {} : { slice }),
  });
  const scope = `${MOUNT_POINT}${ownUnifiedPath()}`;
  if (!scope.endsWith(`/${name}.scope`)) {
    throw new HbError(`Cannot hold the limits: systemd made ${name}.scope, and hb is not in it`, {
      cause: new HbError(`hb is in ${scope}`),
    });
  }
  const present = wordsOf(`${scope}/cgroup.controllers`);
  requireControllers(controllers, present, uid);
  moveTo(`${scope}/supervisor`);
  // What counts for `stats` costs next to nothing once there is a cgroup.
  const counting = ["memory", "pids"].filter((controller) => present.includes(controller));
  share(scope, [...new Set([...controllers, ...counting])]);
  const directory = `${scope}/${leafName(container)}`;
  makeEmpty(directory, 2);
  return { version: 2, directories: [directory] };
}

/** Makes a directory that may be there, and in version 1 those above it. */
function makeParent(directory: string, version: 1 | 2): void {
  if (existsSync(directory)) return;
  makeParent(dirname(directory), version);
  make(directory, version, { mayBeThere: true }); // another hb may be faster
}

/** Makes the container's own; what a killed supervisor left of it is empty, and goes first. */
function makeEmpty(directory: string, version: 1 | 2): void {
  removeCgroup({ directories: [directory] });
  make(directory, version, { mayBeThere: false });
}

function make(directory: string, version: 1 | 2, { mayBeThere }: { mayBeThere: boolean }): void {
  try {
    mkdirSync(directory, { mode: 0o755 });
  } catch (error) {
    if (isErrno(error, "EEXIST") && mayBeThere) return;
    throw new HbError(`Cannot make the cgroup ${directory}`, { cause: describe(error) });
  }
  if (version === 1) inheritCpuset(directory);
}

/** Version 1 leaves a new cpuset empty, and nothing can run in that (cpuset(7)). */
function inheritCpuset(directory: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const path = `${directory}/${file}`;
    if (!existsSync(path) || readFileSync(path, "utf8").trim() !== "") continue;
    writeFileSync(path, readFileSync(`${dirname(directory)}/${file}`));
  }
}

/** hb itself leaves for a part of its own; its supervisor and all that it starts are there, too. */
function moveTo(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    writeFileSync(`${directory}/cgroup.procs`, String(process.pid));
  } catch (error) {
    throw new HbError(`Cannot move to the cgroup ${directory}`, { cause: describe(error) });
  }
}

/** Every level from the top down hands the controllers on. */
function shareAll(
  parents: readonly string[],
  controllers: readonly string[],
  isOwn: boolean,
): void {
  for (const parent of parents) {
    const levels = isOwn ? [parent] : levelsTo(parent);
    for (const level of levels) share(level, controllers);
  }
}

function levelsTo(directory: string): string[] {
  const above = directory === MOUNT_POINT ? [] : levelsTo(dirname(directory));
  return [...above, directory];
}

function share(directory: string, controllers: readonly string[]): void {
  const file = `${directory}/cgroup.subtree_control`;
  const enabled = wordsOf(file);
  const missing = controllers.filter((controller) => !enabled.includes(controller));
  if (missing.length === 0) return;
  try {
    writeFileSync(file, missing.map((controller) => `+${controller}`).join(" "));
  } catch (error) {
    throw new HbError(`Cannot share ${missing.join(", ")} out in ${directory}`, {
      cause: describe(error),
      ...(isErrno(error, "EBUSY") ? { hint: "processes are in it, which must move first" } : {}),
    });
  }
}

function writeSetting(cgroup: Cgroup, setting: CgroupSetting): void {
  const { file, value } = setting;
  const at = (name: string) => cgroup.directories.find((each) => existsSync(`${each}/${name}`));
  const [directory, chosen] = [
    [at(file), { file, value }] as const,
    [setting.orElse && at(setting.orElse.file), setting.orElse ?? { file, value }] as const,
  ].find(([directory]) => directory !== undefined) ?? [undefined, { file, value }];
  if (directory === undefined) {
    if (setting.optional === true) return;
    throw new HbError(`Cannot use ${setting.flag}: the cgroup has no ${file}`);
  }
  try {
    writeFileSync(`${directory}/${chosen.file}`, chosen.value);
  } catch (error) {
    throw new HbError(`Cannot use ${setting.flag}`, {
      cause: new HbError(`write "${chosen.value}" to ${directory}/${chosen.file}`, {
        cause: describe(error),
      }),
    });
  }
}

/** `EBUSY: device or resource busy, write` without what the message around it says. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  return new HbError(error.message.replace(/^[A-Z0-9]+: /, "").replace(/, \w+( '.*')?$/s, ""));
}

function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
