/**
 * The machine as container/facts.ts wants to know it. Every fact is read when it is first asked
 * for, and once: a run without `--privileged` never lists /dev.
 */

import { readdirSync, readFileSync, type Stats, statfsSync, statSync } from "node:fs";
import { hostname, release } from "node:os";
import type {
  CgroupMode,
  DeviceNumber,
  FactsIdentity,
  FileKind,
  HostFacts,
  NetworkFacts,
} from "../container/facts.ts";
import { HbError } from "../errors.ts";
import { hostPlatform } from "../image/platform.ts";
import { hostNetwork } from "./network.ts";

/** The facts of this machine, for the identity that was chosen on it. */
export function hostFacts(identity: FactsIdentity): HostFacts {
  return new Host(identity);
}

/** statfs(2)'s f_type of cgroup v2. */
const CGROUP2_SUPER_MAGIC = 0x63677270;
/** Text files the user names: profiles, env files. Larger ones are mistakes. */
const TEXT_BYTES_MAX = 16 * 1024 * 1024;
/** moby, daemon/pkg/oci/devices_linux.go, HostDevices; the standard nodes are the helper's. */
const SKIPPED_DIRECTORIES = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];
const STANDARD_NODES = ["console", "full", "null", "ptmx", "random", "tty", "urandom", "zero"];

class Host implements HostFacts {
  readonly network: NetworkFacts = hostNetwork();

  constructor(readonly identity: FactsIdentity) {}

  get architecture(): string {
    return hostPlatform(process.arch).architecture;
  }

  get kernel(): string {
    return /^\d+\.\d+/.exec(release())?.[0] ?? "0.0";
  }

  get hostname(): string {
    return hostname();
  }

  get hosts(): string {
    return readOptional("/etc/hosts");
  }

  get resolvConf(): string {
    return readOptional("/etc/resolv.conf");
  }

  get resolvedUpstreams(): string {
    return readOptional("/run/systemd/resolve/resolv.conf");
  }

  get cgroup(): CgroupMode {
    const root = "/sys/fs/cgroup";
    if (statSync(root, { throwIfNoEntry: false }) === undefined) return "none";
    return statfsSync(root).type === CGROUP2_SUPER_MAGIC ? "unified" : "legacy";
  }

  get onlineCpus(): string {
    return readOptional("/sys/devices/system/cpu/online").trim() || "0";
  }

  get onlineMemoryNodes(): string {
    // A kernel without NUMA has one node, and no file that says so.
    return readOptional("/sys/devices/system/node/online").trim() || "0";
  }

  get oomScoreAdj(): number {
    return Number(readOptional("/proc/self/oom_score_adj"));
  }

  get workingDirectory(): string {
    return process.cwd();
  }

  get home(): string | undefined {
    const home = process.env.HOME;
    return home?.startsWith("/") ? home : undefined;
  }

  get lastCapability(): number {
    return Number(readOptional("/proc/sys/kernel/cap_last_cap")) || 40;
  }

  get boundingCapabilities(): bigint {
    // The first process of a new user namespace has them all (user_namespaces(7)).
    if (this.identity.uidMappings.length > 0) return ~0n;
    const match = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"));
    return BigInt(`0x${match?.[1] ?? "0"}`);
  }

  get thermalThrottle(): readonly string[] {
    const directory = (cpu: number) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`;
    if (this.fileKind(directory(0)) === undefined) return [];
    const ranges = readOptional("/sys/devices/system/cpu/possible").trim();
    const last = Number(/(\d+)$/.exec(ranges)?.[1] ?? 0);
    return Array.from({ length: last + 1 }, (_, cpu) => directory(cpu)).filter(
      (path) => this.fileKind(path) !== undefined,
    );
  }

  get devices(): readonly string[] {
    return listDevices("/dev");
  }

  variable(name: string): string | undefined {
    return process.env[name];
  }

  fileKind(path: string): FileKind | undefined {
    const stat = statOptional(path);
    if (stat === undefined) return undefined;
    if (stat.isDirectory()) return "directory";
    return stat.isCharacterDevice() || stat.isBlockDevice() ? "device" : "file";
  }

  blockDevice(path: string): DeviceNumber | undefined {
    const stat = statOptional(path);
    if (stat === undefined || !stat.isBlockDevice()) return undefined;
    return deviceNumber(BigInt(stat.rdev));
  }

  readText(path: string): string {
    try {
      if (statSync(path).size > TEXT_BYTES_MAX) {
        throw new HbError(`it is larger than ${TEXT_BYTES_MAX >> 20} MiB`);
      }
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
    } catch (error) {
      const cause = error instanceof TypeError ? new HbError("it is not UTF-8 text") : error;
      throw new HbError(`Cannot read "${path}"`, { cause: describeErrno(cause) });
    }
  }

  emulates(architecture: string): boolean {
    return emulatorNames(architecture).some((name) =>
      readOptional(`/proc/sys/fs/binfmt_misc/${name}`).startsWith("enabled"),
    );
  }
}

/** makedev(3) undone, as glibc has it. */
function deviceNumber(rdev: bigint): DeviceNumber {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return { major: Number(major), minor: Number(minor & 0xffffffffn) };
}

/** `ENOENT: no such file or directory, open '…'` without the part that repeats the path. */
function describeErrno(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  return new HbError(error.message.replace(/^[A-Z0-9]+: /, "").replace(/, \w+( '.*')?$/s, ""));
}

/** What qemu-user-static, binfmt-support and Rosetta register. */
function emulatorNames(architecture: string): readonly string[] {
  const names: Readonly<Record<string, readonly string[]>> = {
    "386": ["qemu-i386"],
    amd64: ["qemu-x86_64", "rosetta", "box64"],
    arm64: ["qemu-aarch64"],
    mips64le: ["qemu-mips64el"],
    loong64: ["qemu-loongarch64"],
  };
  return names[architecture] ?? [`qemu-${architecture}`];
}

function listDevices(directory: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!SKIPPED_DIRECTORIES.includes(entry.name)) found.push(...listDevices(path));
    } else if (entry.isCharacterDevice() || entry.isBlockDevice()) {
      if (directory !== "/dev" || !STANDARD_NODES.includes(entry.name)) found.push(path);
    }
  }
  return found.sort();
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // Not there, or not for us: the container does without.
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "EACCES" || code === "ENOTDIR" || code === "EPERM") return "";
    throw error;
  }
}

function statOptional(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOTDIR" || code === "EACCES" || code === "ELOOP") return undefined;
    throw error;
  }
}
