/**
 * Who hb is on this machine, and so which ids a container's user namespace maps.
 *
 * The ladder: real root needs no namespace; a subordinate range with newuidmap and newgidmap maps
 * everything an image uses; without them one id is mapped and a notice says so; root inside another
 * container maps what that container has. user_namespaces(7), subuid(5), newuidmap(1).
 */

import { accessSync, constants, existsSync, readFileSync, readlinkSync } from "node:fs";
import type { IdMapping, IdTools } from "../container/plan.ts";
import { userName } from "./libc.ts";

/** The facts the decision needs, so that it can be tested without being anybody. */
export interface HostIdentity {
  readonly uid: number;
  readonly gid: number;
  /** CAP_SYS_ADMIN in the machine's own user namespace: no namespace of ours is needed. */
  readonly realRoot: boolean;
  /** Capabilities that let root inside a container map more than itself. */
  readonly canMapAny: boolean;
  /** /proc/self/uid_map and gid_map. */
  readonly uidMap: string;
  readonly gidMap: string;
  /** Absent where the uid has no name. */
  readonly userName?: string;
  /** /etc/subuid and /etc/subgid; empty where there are none. */
  readonly subuid: string;
  readonly subgid: string;
  /** Absent where either is not on PATH. */
  readonly idTools?: IdTools;
  /** `apt-get install uidmap` or this system's way to say it. */
  readonly installTools: string;
}

/** The maps of every user namespace hb makes here. Both empty: none is made. */
export interface Identity {
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
  readonly idTools?: IdTools;
  /** What is given up and the command that gets it back. */
  readonly notice?: string;
}

/** The kernel takes 340 lines in a map; the first is our own id. */
const RANGES_MAX = 339;

/** The maps for the caller `host` describes. */
export function identityFor(host: HostIdentity): Identity {
  if (host.realRoot) return { uidMappings: [], gidMappings: [] };
  if (host.uid === 0 && host.canMapAny) {
    return { uidMappings: sameIds(host.uidMap), gidMappings: sameIds(host.gidMap) };
  }
  const uidRanges = subordinateRanges(host.subuid, host, host.uid);
  const gidRanges = subordinateRanges(host.subgid, host, host.gid);
  const hasRanges = uidRanges.length > 0 && gidRanges.length > 0;
  if (hasRanges && host.idTools !== undefined) {
    return {
      uidMappings: ownIdFirst(host.uid, uidRanges),
      gidMappings: ownIdFirst(host.gid, gidRanges),
      idTools: host.idTools,
    };
  }
  return {
    uidMappings: ownIdFirst(host.uid, []),
    gidMappings: ownIdFirst(host.gid, []),
    notice: singleIdNotice(host, hasRanges),
  };
}

/** The maps for whoever runs this process. */
export function currentIdentity(): Identity {
  return identityFor(readHostIdentity(process.env.PATH ?? ""));
}

/** The helper's flags for these maps; none where no user namespace is made. */
export function helperMapFlags(identity: Identity): string[] {
  if (identity.uidMappings.length === 0) return [];
  const flags = [
    "--uid-map",
    mapText(identity.uidMappings),
    "--gid-map",
    mapText(identity.gidMappings),
  ];
  if (identity.idTools !== undefined) {
    flags.push("--newuidmap", identity.idTools.newuidmap);
    flags.push("--newgidmap", identity.idTools.newgidmap);
  }
  return flags;
}

/**
 * What a layer's files depend on, by the flags it was unpacked with: overlayfs's marks are
 * `trusted.*` where no user namespace is made and `user.*` where one is, and owners are those that
 * the maps have.
 */
export function layerForm(mapFlags: readonly string[]): string {
  const [, uidMap = "", , gidMap = ""] = mapFlags;
  return mapFlags.length === 0 ? "trusted" : `user ${uidMap} ${gidMap}`;
}

function mapText(mappings: readonly IdMapping[]): string {
  return mappings.map((m) => `${m.containerID}:${m.hostID}:${m.size}`).join(",");
}

interface Range {
  readonly start: number;
  readonly size: number;
}

function ownIdFirst(id: number, ranges: readonly Range[]): IdMapping[] {
  const mappings = [{ containerID: 0, hostID: id, size: 1 }];
  let next = 1;
  for (const range of ranges) {
    mappings.push({ containerID: next, hostID: range.start, size: range.size });
    next += range.size;
  }
  return mappings;
}

/** Every range `NAME:START:COUNT` or `UID:START:COUNT` gives the user (subgid names users, too). */
function subordinateRanges(text: string, host: HostIdentity, ownId: number): Range[] {
  const ranges: Range[] = [];
  for (const line of text.split("\n")) {
    const [owner, start, size, ...rest] = line.trim().split(":");
    if (owner === undefined || owner === "" || rest.length > 0) continue;
    if (owner !== String(host.uid) && owner !== host.userName) continue;
    const range = { start: parseId(start), size: parseId(size) };
    if (Number.isNaN(range.start) || Number.isNaN(range.size) || range.size === 0) continue;
    // The kernel refuses a map whose host ids overlap, our own id's line included.
    const overlaps = [{ start: ownId, size: 1 }, ...ranges].some(
      (other) => range.start < other.start + other.size && other.start < range.start + range.size,
    );
    if (!overlaps && ranges.length < RANGES_MAX) ranges.push(range);
  }
  return ranges;
}

function parseId(text: string | undefined): number {
  return text !== undefined && /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
}

/** `inside outside count` lines as a map of the same ids onto themselves. */
function sameIds(map: string): IdMapping[] {
  const mappings: IdMapping[] = [];
  for (const line of map.trim().split("\n")) {
    const [inside = Number.NaN, , size = Number.NaN] = line.trim().split(/\s+/).map(parseId);
    if (Number.isNaN(inside) || Number.isNaN(size)) continue;
    mappings.push({ containerID: inside, hostID: inside, size });
  }
  return mappings;
}

function singleIdNotice(host: HostIdentity, hasRanges: boolean): string {
  const cost = "only one user id is mapped, every file of an image becomes its root's";
  if (host.uid === 0) return `${cost}: this container lacks CAP_SETUID or CAP_SETGID`;
  const fixes: string[] = [];
  if (!hasRanges) {
    const start = firstFreeId(host);
    const range = `${start}-${start + 65535}`;
    fixes.push(
      host.userName === undefined
        ? `echo ${host.uid}:${start}:65536 | tee -a /etc/subuid /etc/subgid`
        : `usermod --add-subuids ${range} --add-subgids ${range} ${host.userName}`,
    );
  }
  if (host.idTools === undefined) fixes.push(host.installTools);
  return `${cost}; to map a whole range run: sudo sh -c '${fixes.join(" && ")}'`;
}

/** The end of every range that anybody has, 100000 at least, as useradd(8) hands them out. */
function firstFreeId(host: HostIdentity): number {
  let free = 100000;
  for (const line of `${host.subuid}\n${host.subgid}`.split("\n")) {
    const [, start, size] = line.trim().split(":");
    const end = parseId(start) + parseId(size);
    if (!Number.isNaN(end)) free = Math.max(free, end);
  }
  return free;
}

/** Reads the facts; `path` is where to look for programs. */
export function readHostIdentity(path: string): HostIdentity {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const facts = { uid, gid, uidMap: "", gidMap: "", subuid: "", subgid: "", installTools: "" };
  const capabilities = uid === 0 ? effectiveCapabilities() : 0n;
  const realRoot = hasCapability(capabilities, CAP_SYS_ADMIN) && inInitialUserNamespace();
  if (realRoot) return { ...facts, realRoot, canMapAny: true };
  const canMapAny =
    hasCapability(capabilities, CAP_SETUID) && hasCapability(capabilities, CAP_SETGID);
  if (uid === 0 && canMapAny) {
    const uidMap = readFileSync("/proc/self/uid_map", "latin1");
    const gidMap = readFileSync("/proc/self/gid_map", "latin1");
    return { ...facts, realRoot, canMapAny, uidMap, gidMap };
  }
  const name = nameInPasswd(uid) ?? userName(uid);
  const idTools = findIdTools(path);
  return {
    ...facts,
    realRoot,
    canMapAny,
    subuid: readOptional("/etc/subuid"),
    subgid: readOptional("/etc/subgid"),
    installTools: idTools === undefined ? installToolsCommand(path) : "",
    ...(name === undefined ? {} : { userName: name }),
    ...(idTools === undefined ? {} : { idTools }),
  };
}

const CAP_SETGID = 6n;
const CAP_SETUID = 7n;
const CAP_SYS_ADMIN = 21n;

function effectiveCapabilities(): bigint {
  const match = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"));
  return BigInt(`0x${match?.[1] ?? "0"}`);
}

function hasCapability(set: bigint, capability: bigint): boolean {
  return ((set >> capability) & 1n) === 1n;
}

/**
 * Root of a user namespace has CAP_SYS_ADMIN, too, and yet may not set trusted.* attributes.
 * The machine's own namespace has a fixed inode number (PROC_USER_INIT_INO, linux/proc_ns.h).
 */
function inInitialUserNamespace(): boolean {
  return readlinkSync("/proc/self/ns/user") === "user:[4026531837]";
}

/** The name in /etc/passwd itself: cheaper than asking every source nsswitch.conf names. */
function nameInPasswd(uid: number): string | undefined {
  return new RegExp(`^([^:\\n]+):[^:\\n]*:${uid}:`, "m").exec(readOptional("/etc/passwd"))?.[1];
}

function readOptional(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    // No file, no ranges. Unreadable (odd modes, sandboxes): newuidmap could not use it for us.
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "EACCES" || code === "ENOTDIR") return "";
    throw error;
  }
}

function findIdTools(path: string): IdTools | undefined {
  const newuidmap = findProgram("newuidmap", path);
  const newgidmap = findProgram("newgidmap", path);
  if (newuidmap === undefined || newgidmap === undefined) return undefined;
  return { newuidmap, newgidmap };
}

/** The first executable `name` on `path`, by its absolute name. Relative entries are skipped. */
export function findProgram(name: string, path: string): string | undefined {
  // The usual places come last: services and cron often have a PATH without them.
  for (const directory of [...path.split(":"), "/usr/bin", "/usr/sbin", "/bin", "/sbin"]) {
    if (!directory.startsWith("/")) continue;
    const file = `${directory}/${name}`;
    // Most entries miss, and existsSync says so without an exception's cost.
    if (existsSync(file) && isExecutable(file)) return file;
  }
  return undefined;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return false; // not for us
    throw error;
  }
}

const INSTALL_TOOLS = [
  ["apt-get", "apt-get install -y uidmap"],
  ["dnf", "dnf install -y shadow-utils"],
  ["zypper", "zypper install -y shadow"],
  ["apk", "apk add shadow-uidmap"],
  ["pacman", "pacman -S --noconfirm shadow"],
] as const;

function installToolsCommand(path: string): string {
  for (const [manager, command] of INSTALL_TOOLS) {
    if (findProgram(manager, path) !== undefined) return command;
  }
  return "apt-get install -y uidmap";
}
