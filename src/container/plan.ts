/**
 * The plan: everything the helper needs to become one container, decided before it exists.
 *
 * It is an OCI runtime-spec 1.2 `config.json` (the standard's own words for process, root, mounts
 * and linux.*) plus one extra top-level object, `hb`, for what the spec lacks. Other runtimes
 * ignore unknown fields, so a plan is also a valid bundle config. `helper-zig/src/plan.zig` is its
 * twin: a key is added to both or to neither (tests/tidy.test.ts compares them).
 */

import type { Origin } from "./origin.ts";

export interface Plan {
  readonly ociVersion: string;
  readonly process: Process;
  readonly root: Root;
  readonly hostname: string;
  /** Labels and the like (image-spec conversion.md), for whoever reads kept containers. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly linux: Linux;
  readonly hb: Extension;
}

export interface Process {
  /** A pseudo-terminal from the container's own devpts (`-t`). */
  readonly terminal: boolean;
  readonly user: User;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: Capabilities;
  readonly rlimits: readonly Rlimit[];
  readonly noNewPrivileges: boolean;
  /** -1000 to 1000; absent: as hb's own. */
  readonly oomScoreAdj?: number;
}

/** Numeric, as the spec has it. `hb run` leaves it at 0:0 and lets `hb.user` decide. */
export interface User {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

/** Names as `CAP_CHOWN`. */
export interface Capabilities {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly inheritable: readonly string[];
  readonly permitted: readonly string[];
  readonly ambient: readonly string[];
}

/**
 * `type` is `RLIMIT_NOFILE` and so on; a limit above the caller's own hard limit is lowered to it.
 * Infinity here is RLIM_INFINITY, 2^64-1, in the JSON.
 */
export interface Rlimit {
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}

/** `path`: where the root is assembled (an overlay's mount point), or a plain directory. */
export interface Root {
  readonly path: string;
  readonly readonly: boolean;
}

/**
 * One mount, in order. `type` is `bind` or a file system type; `options` are mount(8)'s: flags
 * (`ro nosuid nodev noexec rbind rprivate …`), the rest file system data (`size=64m`, `mode=1777`).
 * The standard device nodes are among them, as every device is, bind-mounted from the host.
 * `rro` is read-only with everything mounted below (runc's and crun's word), beside `ro`.
 */
export interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface Linux {
  /** Empty: no user namespace (root). */
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
  /** A namespace listed here is new, unless it has a path. */
  readonly namespaces: readonly Namespace[];
  /** `net.ipv4.ping_group_range` and so on: written to /proc/sys in the new namespaces. */
  readonly sysctl: Readonly<Record<string, string>>;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  /** Absent: unconfined. */
  readonly seccomp?: Seccomp;
  /** Absent: no limit was asked for. */
  readonly resources?: Resources;
}

export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export type NamespaceType = "user" | "mount" | "pid" | "network" | "ipc" | "uts" | "cgroup";

/**
 * With a `path` it exists already and is joined. A user namespace that is joined has its ids
 * mapped: `uidMappings` and `gidMappings` are empty then.
 */
export interface Namespace {
  readonly type: NamespaceType;
  readonly path?: string;
}

/** runtime-spec `linux.seccomp`: conditions on capabilities and kernels are resolved already. */
export interface Seccomp {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SyscallRule[];
}

export interface SyscallRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly SyscallArg[];
}

export interface SyscallArg {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: string;
}

/** What the runtime-spec has no word for. */
export interface Extension {
  /** The container's directory in the store; the supervisor makes, locks and removes it. */
  readonly container: ContainerDirectory;
  /** Absent: `root.path` is a plain directory, used in place. */
  readonly overlay?: Overlay;
  /** Files bind-mounted over the image's own, from memory: /etc/hosts and its like. */
  readonly files: readonly PlannedFile[];
  /** docker's USER: `name|uid[:group|gid]`, looked up in the container; empty means root. */
  readonly user: string;
  /** `--group-add`: names or numbers. */
  readonly groupAdd: readonly string[];
  /** Image VOLUMEs: made where missing, writable also under a read-only root. */
  readonly volumes: readonly string[];
  /** Set-user-ID programs that write id maps; absent: the supervisor writes them itself. */
  readonly idTools?: IdTools;
  /** `-i`: standard input reaches the payload; otherwise it reads /dev/null. */
  readonly interactive: boolean;
  /** `--init`: the helper is pid 1, reaps and forwards signals. */
  readonly init: boolean;
  /** Absent: the host's network, nothing but loopback, or a namespace that is joined. */
  readonly network?: Network;
  /** Absent: none is needed, or none can be had. */
  readonly cgroup?: Cgroup;
  readonly life: Life;
  /** For `ps`, `inspect` and `start`; nothing to the helper. */
  readonly origin?: Origin;
}

/** How the container lives on, and how it ends. */
export interface Life {
  /** Absent: in the foreground; the container ends with hb. */
  readonly detach?: Detach;
  /** Absent: what the payload writes goes to hb's own streams and nowhere else. */
  readonly log?: Log;
  /** What asks the payload to end: a signal's number. */
  readonly stopSignal: number;
  /** Between that and SIGKILL; -1: never. */
  readonly stopTimeoutMs: number;
  /** The longest a run may last. */
  readonly timeoutMs?: number;
  /** Absent: never started again. */
  readonly restart?: Restart;
  /** Absent: nobody asks whether the payload is well. */
  readonly health?: Health;
  /** The file that gets a line for everything that happens to containers. */
  readonly events: string;
}

/** The supervisor goes on by itself; hb waits until the payload has started. */
export interface Detach {
  /** Printed once the payload runs; "" with `attach`. */
  readonly print: string;
  /** hb follows the container's streams until it ends or the keys are pressed. */
  readonly attach?: Attach;
}

/** One client of a container's streams. */
export interface Attach {
  readonly stdin: boolean;
  readonly output: boolean;
  /** Signals hb is sent are passed on. */
  readonly sigProxy: boolean;
  /** Bytes, in hexadecimal, that end the following and leave the container running; "": none. */
  readonly detachKeys: string;
}

/** The payload's output as lines in `containers/<id>/log` (CRI's form), rotated by size. */
export interface Log {
  /** -1: never rotated. */
  readonly maxSizeBytes: number;
  /** `log` and its predecessors `log.1`, … together; at least 1. */
  readonly maxFiles: number;
}

/** Carried out by the supervisor. */
export interface Restart {
  readonly policy: RestartPolicy;
  /** With `on-failure`: how often at most; 0: as often as it takes. */
  readonly maximumRetryCount: number;
}

export type RestartPolicy = "on-failure" | "always" | "unless-stopped";

/** docker's health check: a command in the container whose exit status is the answer. */
export interface Health {
  readonly args: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

/** What another command than the container's own first one needs to run in it (`hb exec`). */
export interface ExecPlan {
  readonly ociVersion: string;
  readonly process: Process;
  readonly linux: ExecLinux;
  readonly hb: ExecExtension;
}

export interface ExecLinux {
  /** Absent: unconfined. */
  readonly seccomp?: Seccomp;
}

export interface ExecExtension {
  readonly container: ExecContainer;
  /** As the plan's own `hb.user` and `hb.groupAdd`. */
  readonly user: string;
  readonly groupAdd: readonly string[];
  readonly interactive: boolean;
  /** hb ends as soon as the command has started. */
  readonly detach: boolean;
  /** As `Attach.detachKeys`: they leave the command running and end hb. */
  readonly detachKeys: string;
}

/** A running container, by processes that are checked against each other and its lock. */
export interface ExecContainer {
  readonly id: string;
  readonly directory: string;
  /** Its first process. */
  readonly pid: number;
  /** That one's parent. */
  readonly supervisor: number;
  /** `Cgroup.directories`: the command is moved there; one that does not exist is passed over. */
  readonly cgroups: readonly string[];
}

export interface ContainerDirectory {
  readonly id: string;
  readonly directory: string;
  /** The container outlives the run: writable layer, log and exit status stay until `rm`. */
  readonly keep: boolean;
  /** The descriptor that holds the directory's lock; absent: the supervisor makes and locks it. */
  readonly lock?: number;
  /** `--name`. */
  readonly name?: string;
  /** The file that holds the name, locked by an inherited descriptor; unlinked unless `keep`. */
  readonly nameFile?: string;
  /** What the user called its image, for events. */
  readonly image?: string;
}

/**
 * `lowerdirs`: absolute, the topmost first, no duplicates; upperdir and workdir are in the
 * container's directory.
 */
export interface Overlay {
  readonly lowerdirs: readonly string[];
  /** overlay's marks are in `user.overlay.*` (rootless), not `trusted.overlay.*`. */
  readonly userxattr: boolean;
}

/** What connects the container's network namespace; one of the two. */
export interface Network {
  readonly pasta?: Pasta;
  readonly bridge?: Bridge;
}

/**
 * pasta(1), started by the supervisor on the container's namespaces. `args` are about the network
 * alone; the supervisor adds what is about the process: the target, --pid, --foreground and such.
 */
export interface Pasta {
  readonly path: string;
  readonly args: readonly string[];
  /** What `args` forward, for whoever asks. */
  readonly publish: readonly Publish[];
  /** The name `args` give its device, which the helper makes ready; absent: pasta's own affair. */
  readonly device?: string;
}

/** A bridge of the host and one end of a veth pair on it, which is the container's eth0. */
export interface Bridge {
  /** The bridge's interface name, and its network's. */
  readonly name: string;
  /** The container's, with the subnet's prefix length: `10.89.0.5/16`. */
  readonly address4: string;
  /** The bridge's own address, without a length. */
  readonly gateway4: string;
  readonly address6?: string;
  readonly gateway6?: string;
  /** Absent: the kernel's choice. */
  readonly mac?: string;
  /** No way out of the subnet: no default route, no masquerading. */
  readonly internal: boolean;
  readonly publish: readonly Publish[];
  /**
   * The network's directory; whoever changes the network holds its flock. `leases/<IPv4 address>`
   * in it is the container's lease: locked by an inherited descriptor, its first line is the
   * container's id. The supervisor unlinks it, and `hosts/<IPv4 address>` if there is one, when the
   * container ends.
   */
  readonly state: string;
}

export type Protocol = "tcp" | "udp";

/** A port of the host that leads to one of the container. */
export interface Publish {
  readonly protocol: Protocol;
  /** "" is every address of the host; else an IPv4 or IPv6 address without brackets. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly containerPort: number;
}

export interface PlannedFile {
  readonly destination: string;
  readonly content: string;
}

export interface IdTools {
  readonly newuidmap: string;
  readonly newgidmap: string;
}

/** runtime-spec `linux.resources`, of it what hb has flags for. */
export interface Resources {
  readonly memory?: MemoryLimits;
  readonly cpu?: CpuLimits;
  readonly pids?: PidsLimit;
  readonly blockIO?: BlockIo;
}

/** Bytes; -1: no limit. `swap` is memory and swap together, as docker and the spec have it. */
export interface MemoryLimits {
  readonly limit?: number;
  readonly reservation?: number;
  readonly swap?: number;
  readonly swappiness?: number;
  readonly disableOOMKiller?: boolean;
}

/** Microseconds and weights; `cpus` and `mems` are lists as `0-2,7`. */
export interface CpuLimits {
  readonly shares?: number;
  readonly quota?: number;
  readonly period?: number;
  readonly cpus?: string;
  readonly mems?: string;
}

export interface PidsLimit {
  readonly limit: number;
}

export interface BlockIo {
  readonly weight?: number;
  readonly throttleReadBpsDevice: readonly Throttle[];
  readonly throttleWriteBpsDevice: readonly Throttle[];
  readonly throttleReadIOPSDevice: readonly Throttle[];
  readonly throttleWriteIOPSDevice: readonly Throttle[];
}

export interface Throttle {
  readonly major: number;
  readonly minor: number;
  readonly rate: number;
}

/**
 * The container's cgroup, which hb has made and whose limits it has set. The supervisor puts the
 * container in, and removes the directories after its end.
 */
export interface Cgroup {
  readonly version: number;
  /** One with version 2, one per hierarchy with version 1: absolute paths in the file system. */
  readonly directories: readonly string[];
}
