/** Reads what doctor/checks.ts wants to know. Nothing here is on the way of a run. */

import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statfsSync,
} from "node:fs";
import { release } from "node:os";
import { dirname } from "node:path";
import { helperPlace } from "../helper/binary.ts";
import { cgroupFacts, usableControllers } from "../host/cgroup.ts";
import { confinement } from "../host/confinement.ts";
import { hostFacts } from "../host/facts.ts";
import type { Identity } from "../host/identity.ts";
import { hostNetwork } from "../host/network.ts";
import { installCommand } from "../host/packages.ts";
import { unprivilegedPortStart } from "../host/ports.ts";
import type { StorePaths } from "../store/layout.ts";
import type { DoctorFacts, Probe } from "./checks.ts";

/** The facts of this machine; `probe` has run already. */
export function readDoctorFacts(store: StorePaths, identity: Identity, probe: Probe): DoctorFacts {
  const path = process.env.PATH ?? "";
  const network = hostNetwork();
  const { pasta } = network;
  const { apparmorProfile } = confinement();
  return {
    uid: process.geteuid?.() ?? 0,
    executable: realpathSync(process.execPath),
    kernel: release(),
    identity,
    probe,
    helper: helperPlace(),
    ...(apparmorProfile === undefined ? {} : { apparmorProfile }),
    sysctl: readSysctls(),
    isFiltered: /^Seccomp:\s*2$/m.test(readOptional("/proc/self/status")),
    hasSeccomp: existsSync("/proc/sys/kernel/seccomp/actions_avail"),
    store: readStore(store),
    ...(pasta === undefined ? {} : { pasta: { path: pasta, version: versionOf(pasta) } }),
    hasTun: network.hasTun,
    canBridge: network.canBridge,
    hasNfTables: hasNfTables(),
    forwards: readNumber("/proc/sys/net/ipv4/ip_forward") === 1,
    portStart: unprivilegedPortStart(),
    cgroup: { mode: hostFacts(identity).cgroup, delegated: usableControllers(cgroupFacts()) },
    emulated: emulatedArchitectures(),
    install: installCommand(path),
    hasSystemd: existsSync("/run/systemd/system"),
  };
}

function readSysctls(): DoctorFacts["sysctl"] {
  const max = readNumber("/proc/sys/user/max_user_namespaces");
  const clone = readNumber("/proc/sys/kernel/unprivileged_userns_clone");
  const apparmor = readNumber("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  return {
    ...(max === undefined ? {} : { maxUserNamespaces: max }),
    ...(clone === undefined ? {} : { unprivilegedUsernsClone: clone }),
    ...(apparmor === undefined ? {} : { apparmorRestrictUserns: apparmor }),
  };
}

/** The first line of `pasta --version`, which some builds do not know. */
function versionOf(pasta: string): string {
  const { stdout } = Bun.spawnSync([pasta, "--version"], { stdout: "pipe", stderr: "ignore" });
  const [line = ""] = stdout.toString().split("\n");
  return !/\d/.test(line) ? "of unknown version" : line.trim().replace(/^pasta /, "version ");
}

/** Loaded, built in, or a module that the kernel loads when it is asked. */
function hasNfTables(): boolean {
  if (existsSync("/proc/sys/net/netfilter/nf_log") || existsSync("/sys/module/nf_tables"))
    return true;
  const directory = `/lib/modules/${release()}`;
  return ["modules.builtin", "modules.dep"].some((file) =>
    readOptional(`${directory}/${file}`).includes("/nf_tables.ko"),
  );
}

function readStore(store: StorePaths): DoctorFacts["store"] {
  const root = store.root;
  const existing = nearestExisting(root);
  const { bavail, bsize } = statfsSync(existing);
  const isWritable = canMake(root);
  return { root, fileSystem: fileSystemOf(existing), freeBytes: bavail * bsize, isWritable };
}

function nearestExisting(path: string): string {
  return existsSync(path) || path === "/" ? path : nearestExisting(dirname(path));
}

function canMake(directory: string): boolean {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.W_OK);
    return true;
  } catch (error) {
    // Whatever the reason is, the answer to the question is no.
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}

/** The type of the mount that holds `path`, by the longest mount point (proc_pid_mountinfo(5)). */
function fileSystemOf(path: string): string {
  let best = { point: "", type: "unknown" };
  for (const line of readOptional("/proc/self/mountinfo").split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const point = left.split(" ")[4]?.replace(/\\040/g, " ") ?? "";
    const holds = point === "/" || path === point || path.startsWith(`${point}/`);
    if (point === "" || !holds || point.length < best.point.length) continue;
    best = { point, type: right.split(" ")[0] ?? "unknown" };
  }
  return best.type.replace(/^nfs.*/, "nfs").replace(/^fuse.*/, "fuse");
}

function emulatedArchitectures(): readonly string[] {
  const directory = "/proc/sys/fs/binfmt_misc";
  if (!existsSync(directory)) return [];
  return readdirSync(directory).flatMap((name) => {
    const architecture = /^qemu-(.+)$/.exec(name)?.[1];
    if (architecture === undefined) return [];
    return readOptional(`${directory}/${name}`).startsWith("enabled") ? [architecture] : [];
  });
}

function readNumber(file: string): number | undefined {
  const text = readOptional(file).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function readOptional(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error) return ""; // this kernel has no such file
    throw error;
  }
}
