/**
 * What decisions need to know of the machine. Values only; host/facts.ts reads them, each when it
 * is first asked for, so that a run pays only for the facts it uses.
 */

import type { IdMapping, IdTools } from "./plan.ts";

/** What is at a path of the host, symbolic links followed. */
export type FileKind = "directory" | "device" | "file";

/** `unified` is cgroup v2 alone at /sys/fs/cgroup; `legacy` is v1, also beside v2. */
export type CgroupMode = "unified" | "legacy" | "none";

export interface HostFacts {
  readonly identity: FactsIdentity;
  /** As images spell it: `amd64`, `arm64`. */
  readonly architecture: string;
  /** `6.1` of uname's release. */
  readonly kernel: string;
  readonly hostname: string;
  /** /etc/hosts and /etc/resolv.conf; "" where there is none. */
  readonly hosts: string;
  readonly resolvConf: string;
  /** /run/systemd/resolve/resolv.conf: the servers behind systemd-resolved's stub. */
  readonly resolvedUpstreams: string;
  readonly network: NetworkFacts;
  readonly cgroup: CgroupMode;
  /** CPUs and memory nodes that are there, as `0-3`. */
  readonly onlineCpus: string;
  readonly onlineMemoryNodes: string;
  /** /proc/self/oom_score_adj: what a container inherits. */
  readonly oomScoreAdj: number;
  /** Absolute: what relative `-v` sources and `~` start from. */
  readonly workingDirectory: string;
  readonly home: string | undefined;
  /** The number of the newest capability this kernel knows. */
  readonly lastCapability: number;
  /** The capabilities root may hand on, as a bit set; all of them in a user namespace of ours. */
  readonly boundingCapabilities: bigint;
  /** Directories of /sys that tell CPUs' heat, GHSA-6fw5-f8r9-fgfm. */
  readonly thermalThrottle: readonly string[];
  /** Every device node below /dev that a privileged container gets. */
  readonly devices: readonly string[];
  /** A variable of the caller's environment. */
  variable(name: string): string | undefined;
  fileKind(path: string): FileKind | undefined;
  /** The numbers of the block device at `path`; undefined where there is none. */
  blockDevice(path: string): DeviceNumber | undefined;
  /** A text file the user named; what is wrong with it is thrown as `HbError`. */
  readText(path: string): string;
  /** Whether binfmt_misc runs programs of this architecture. */
  emulates(architecture: string): boolean;
}

/** What the kernel calls a device by. */
export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/** What networks this machine can give a container. */
export interface NetworkFacts {
  /** pasta's path; undefined where it is not installed. */
  readonly pasta: string | undefined;
  /** /dev/net/tun can be opened. */
  readonly hasTun: boolean;
  /** `apt-get install -y passt` or this system's way to say it. */
  readonly installPasta: string;
  /** This root may set up interfaces and forwarding. */
  readonly canBridge: boolean;
  /** The address of the interface that the default route goes by; undefined without a route. */
  readonly address4: string | undefined;
  readonly address6: string | undefined;
}

/** host/identity.ts's decision, as far as a plan needs it. */
export interface FactsIdentity {
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
  readonly idTools?: IdTools;
}
