/**
 * What this machine gives hb, rung by rung of the ladders (docs: "run everywhere, say what was
 * given up"). Pure: facts in, lines out; every line says what is there, what hb uses, and what to
 * run.
 */

import { delegateControllers } from "../container/cgroup.ts";
import type { HelperPlace } from "../helper/binary.ts";
import type { Identity } from "../host/identity.ts";

/** `ok` is the first choice, `less` a lower rung, `missing` stops every container. */
export type CheckState = "ok" | "less" | "missing";

export interface Check {
  readonly name: string;
  readonly state: CheckState;
  /** What there is, and what hb makes of it. */
  readonly found: string;
  /** The command, as it is to be typed, that gets the better rung. */
  readonly fix?: string;
}

/** A trial container's end. */
export interface Probe {
  readonly exitCode: number;
  /** The helper's notices and, where it failed, its error; without `hb: `. */
  readonly lines: readonly string[];
}

export interface DoctorFacts {
  readonly uid: number;
  /** hb's own file, links resolved. */
  readonly executable: string;
  readonly kernel: string;
  readonly identity: Identity;
  readonly probe: Probe;
  /** Where hb's helper ran from, in the trial. */
  readonly helper: HelperPlace;
  /** The AppArmor profile hb is confined to. */
  readonly apparmorProfile?: string;
  /** Values of /proc/sys/…, absent where the kernel has no such switch. */
  readonly sysctl: {
    readonly maxUserNamespaces?: number;
    readonly unprivilegedUsernsClone?: number;
    readonly apparmorRestrictUserns?: number;
  };
  /** hb itself runs under a seccomp filter: it is in a container or a sandbox. */
  readonly isFiltered: boolean;
  readonly hasSeccomp: boolean;
  readonly store: {
    readonly root: string;
    readonly fileSystem: string;
    readonly freeBytes: number;
    readonly isWritable: boolean;
  };
  readonly pasta?: { readonly path: string; readonly version: string };
  readonly hasTun: boolean;
  /** This root may make a bridge, and the kernel has nf_tables. */
  readonly canBridge: boolean;
  readonly hasNfTables: boolean;
  /** net.ipv4.ip_forward. */
  readonly forwards: boolean;
  /** net.ipv4.ip_unprivileged_port_start. */
  readonly portStart: number;
  readonly cgroup: {
    readonly mode: "unified" | "legacy" | "none";
    /** Controllers that containers of this user can be limited by. */
    readonly delegated: readonly string[];
  };
  /** Foreign architectures that binfmt_misc runs. */
  readonly emulated: readonly string[];
  /** `apt-get install -y` or its like. */
  readonly install: string;
  /** systemd is this machine's init: its settings are the ones that count. */
  readonly hasSystemd: boolean;
}

/** Every line, in the order a container needs things. */
export function diagnose(facts: DoctorFacts): readonly Check[] {
  return [
    container(facts),
    helper(facts),
    userNamespace(facts),
    ids(facts),
    rootFileSystem(facts),
    store(facts),
    network(facts),
    pasta(facts),
    ...(facts.uid === 0 ? [bridge(facts)] : []),
    ports(facts),
    limits(facts),
    seccomp(facts),
    emulation(facts),
  ];
}

/** Whether anything can run at all. */
export function canRun(checks: readonly Check[]): boolean {
  return checks.every(({ state }) => state !== "missing");
}

function container({ probe, kernel }: DoctorFacts): Check {
  const name = "container";
  if (probe.exitCode === 0) {
    return { name, state: "ok", found: `a trial container ran on Linux ${kernel}` };
  }
  const why = failureOf(probe) ?? `the trial container ended with status ${probe.exitCode}`;
  return { name, state: "missing", found: why };
}

function helper({ helper: place }: DoctorFacts): Check {
  const name = "helper";
  if (place.kind === "memory") {
    return { name, state: "ok", found: "runs from memory: no file that could be overwritten" };
  }
  const { why, fix } = place;
  if (place.kind === "nowhere") return { name, state: "missing", found: why, fix };
  const found = `runs from ${place.path}, compared before each use, as ${why}`;
  return { name, state: "less", found, fix };
}

function userNamespace(facts: DoctorFacts): Check {
  const name = "user namespace";
  if (facts.identity.uidMappings.length === 0) {
    return { name, state: "ok", found: "not needed: hb runs as root" };
  }
  const cause = userNamespaceObstacle(facts);
  if (facts.probe.exitCode === 0) {
    return { name, state: "ok", found: "an ordinary user may make one here" };
  }
  if (cause === undefined) {
    return { name, state: "less", found: "nothing known forbids it; see the first line" };
  }
  return { name, state: "missing", ...cause };
}

type Obstacle = Pick<Check, "found" | "fix">;

/** Why an unprivileged user namespace is refused, by the switches that can do so. */
export function userNamespaceObstacle(facts: DoctorFacts): Obstacle | undefined {
  const { maxUserNamespaces, unprivilegedUsernsClone, apparmorRestrictUserns } = facts.sysctl;
  if (maxUserNamespaces === 0) {
    return {
      found: "user.max_user_namespaces is 0: there may be none at all",
      fix: persistentSysctl("user.max_user_namespaces=15000"),
    };
  }
  if (unprivilegedUsernsClone === 0 && facts.uid !== 0) {
    return {
      found: "kernel.unprivileged_userns_clone is 0: only root may make one",
      fix: persistentSysctl("kernel.unprivileged_userns_clone=1"),
    };
  }
  if (apparmorRestrictUserns === 1 && facts.uid !== 0) {
    return {
      found: "AppArmor takes every capability in it away from programs without a profile",
      fix: apparmorProfile(facts.executable),
    };
  }
  if (facts.apparmorProfile !== undefined && facts.uid !== 0) {
    return {
      found: `AppArmor confines hb to the profile ${facts.apparmorProfile}, which may refuse it`,
      fix: "sudo hb run …, or start hb outside of that profile",
    };
  }
  if (facts.isFiltered) {
    return {
      found: "hb is itself in a container whose seccomp filter refuses it",
      fix: "start that container with --security-opt seccomp=unconfined",
    };
  }
  return undefined;
}

function persistentSysctl(setting: string): string {
  return `echo ${setting} | sudo tee /etc/sysctl.d/90-hb.conf && sudo sysctl ${setting}`;
}

/** Ubuntu 23.10 and later: exceptions are by path, so this one names hb's own. */
function apparmorProfile(executable: string): string {
  const profile =
    `abi <abi/4.0>,\\ninclude <tunables/global>\\n` +
    `profile hb "${executable}" flags=(unconfined) {\\n  userns,\\n}\\n`;
  return (
    `printf '${profile}' | sudo tee /etc/apparmor.d/hb && ` +
    "sudo apparmor_parser -r /etc/apparmor.d/hb"
  );
}

function ids({ identity, uid }: DoctorFacts): Check {
  const name = "ids";
  const { uidMappings, idTools, notice } = identity;
  if (uidMappings.length === 0) return { name, state: "ok", found: "the machine's own" };
  const count = uidMappings.reduce((sum, { size }) => sum + size, 0);
  if (notice === undefined) {
    const by = idTools === undefined ? "" : ` by ${idTools.newuidmap}`;
    return { name, state: "ok", found: `${count} mapped${by}; uid ${uid} is root inside` };
  }
  const [cost = notice, fix] = notice.split("; to map a whole range run: ");
  return { name, state: "less", found: cost, ...(fix === undefined ? {} : { fix }) };
}

function rootFileSystem({ probe, kernel, uid }: DoctorFacts): Check {
  const name = "root file system";
  const notice = noticesOf(probe).find((line) => /overlay|copy|copies/i.test(line));
  if (probe.exitCode !== 0) return { name, state: "less", found: "not tried" };
  if (notice === undefined) {
    return { name, state: "ok", found: "overlayfs; layers are shared, nothing is copied" };
  }
  const isOld = uid !== 0 && versionBelow(kernel, 5, 11);
  const why = isOld ? "; rootless overlayfs needs Linux 5.11" : "";
  return { name, state: "less", found: `${notice}${why}` };
}

const NETWORK_FILE_SYSTEMS = ["nfs", "cifs", "smb2", "lustre", "fuse", "9p", "afs", "ceph"];

function store({ store }: DoctorFacts): Check {
  const name = "store";
  const free = `${(store.freeBytes / 1e9).toFixed(1)} GB free`;
  const where = `${store.root} on ${store.fileSystem}, ${free}`;
  const elsewhere = "export HB_ROOT=/a/directory/on/a/local/disk";
  if (!store.isWritable) {
    return { name, state: "missing", found: `${store.root} is not writable`, fix: elsewhere };
  }
  if (NETWORK_FILE_SYSTEMS.includes(store.fileSystem)) {
    return { name, state: "less", found: `${where}: slower than a local disk`, fix: elsewhere };
  }
  if (store.freeBytes < 1e9) return { name, state: "less", found: where, fix: "hb prune --all" };
  return { name, state: "ok", found: where };
}

/** What `hb run` does without --network. */
function network(facts: DoctorFacts): Check {
  const name = "network";
  if (facts.uid === 0 && canBridge(facts)) {
    return { name, state: "ok", found: "root's containers get an address on the bridge hb0" };
  }
  if (facts.pasta !== undefined && facts.hasTun) {
    return { name, state: "ok", found: "a network of its own for each container, behind pasta" };
  }
  return { name, state: "less", found: "the host's, shared: ports cannot be published" };
}

function pasta({ pasta, hasTun, install, uid }: DoctorFacts): Check {
  const name = "pasta";
  const state = uid === 0 ? "ok" : "less";
  if (pasta === undefined) {
    return { name, state, found: "not installed", fix: `${install} passt` };
  }
  const found = `${pasta.path}, ${pasta.version}`;
  if (hasTun) return { name, state: "ok", found };
  return {
    name,
    state,
    found: `${found}; /dev/net/tun cannot be opened`,
    fix: "sudo modprobe tun",
  };
}

function bridge(facts: DoctorFacts): Check {
  const name = "bridge";
  if (!facts.canBridge) {
    return { name, state: "less", found: "this root may not set up networks (CAP_NET_ADMIN)" };
  }
  if (!facts.hasNfTables) {
    const found = "this kernel has no nf_tables: no port can be published, nothing gets out";
    return { name, state: "less", found, fix: "modprobe nf_tables" };
  }
  const forwarding = facts.forwards ? "on" : "off, and switched on for hb's bridges alone";
  return { name, state: "ok", found: `nf_tables is there; ip_forward is ${forwarding}` };
}

function canBridge(facts: DoctorFacts): boolean {
  return facts.canBridge && facts.hasNfTables;
}

/** Ports that a rootless container can be published on. */
function ports({ portStart, uid }: DoctorFacts): Check {
  const name = "ports";
  if (uid === 0 || portStart === 0) return { name, state: "ok", found: "all can be published" };
  const found = `published from ${portStart} on (net.ipv4.ip_unprivileged_port_start)`;
  return {
    name,
    state: "ok",
    found,
    fix: persistentSysctl("net.ipv4.ip_unprivileged_port_start=80"),
  };
}

function limits({ cgroup, uid, hasSystemd, install }: DoctorFacts): Check {
  const name = "limits";
  if (cgroup.mode === "none") return { name, state: "less", found: "no cgroups here" };
  if (cgroup.mode === "legacy") {
    if (uid === 0) {
      const controllers = cgroup.delegated.join(", ");
      return { name, state: "ok", found: `cgroup v1 with ${controllers}` };
    }
    const fix = hasSystemd ? { fix: unifiedHierarchy(install) } : {};
    return { name, state: "less", found: "cgroup v1, which cannot be delegated", ...fix };
  }
  const wanted = ["cpu", "memory", "pids"];
  const lacking = wanted.filter((controller) => !cgroup.delegated.includes(controller));
  if (uid === 0 || lacking.length === 0) {
    return { name, state: "ok", found: `cgroup v2 with ${cgroup.delegated.join(", ")}` };
  }
  const found = `cgroup v2, but ${lacking.join(", ")} not delegated to this user`;
  return { name, state: "less", found, ...(hasSystemd ? { fix: delegateControllers } : {}) };
}

function unifiedHierarchy(install: string): string {
  const argument = "systemd.unified_cgroup_hierarchy=1";
  if (!install.includes("apt-get")) {
    return `sudo grubby --update-kernel=ALL --args=${argument} && sudo reboot`;
  }
  const edit = `s/^GRUB_CMDLINE_LINUX="/&${argument} /`;
  return `sudo sed -i '${edit}' /etc/default/grub && sudo update-grub && sudo reboot`;
}

function seccomp({ hasSeccomp }: DoctorFacts): Check {
  const name = "seccomp";
  if (hasSeccomp) return { name, state: "ok", found: "docker's default profile is enforced" };
  return {
    name,
    state: "missing",
    found: "this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)",
    fix: "hb run --security-opt seccomp=unconfined …",
  };
}

function emulation({ emulated, install }: DoctorFacts): Check {
  const name = "other CPUs";
  if (emulated.length > 0) {
    return { name, state: "ok", found: `images for ${emulated.join(", ")} run by emulation` };
  }
  const found = "only images for this machine's architecture run";
  return { name, state: "ok", found, fix: `${install} qemu-user-static` };
}

function noticesOf({ lines }: Probe): readonly string[] {
  return lines.flatMap((line) => (line.startsWith("notice: ") ? [line.slice(8)] : []));
}

function failureOf({ lines }: Probe): string | undefined {
  return lines.find((line) => !line.startsWith("notice: "));
}

function versionBelow(kernel: string, major: number, minor: number): boolean {
  const [have = 0, haveMinor = 0] = kernel.split(".").map(Number);
  return have < major || (have === major && haveMinor < minor);
}
