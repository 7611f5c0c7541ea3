/** All mounts of a container, in the order they are made. Pure. */

import { normalize } from "node:path/posix";
import { UsageError } from "../errors.ts";
import { baseMounts, shmSizeBytes } from "./defaults.ts";
import { bindDevice, parseDevice, standardDevices } from "./devices.ts";
import type { HostFacts } from "./facts.ts";
import type { NetworkChoice } from "./network.ts";
import type { IdMapping, Mount } from "./plan.ts";
import { parseSize } from "./units.ts";
import { parseMount, parseTmpfs, parseVolume, type Wish } from "./volumes.ts";

export interface MountWishes {
  readonly volume: readonly string[];
  readonly mount: readonly string[];
  readonly tmpfs: readonly string[];
  readonly device: readonly string[];
  readonly shmSize?: string;
  readonly privileged: boolean;
  /** The image's VOLUMEs. */
  readonly imageVolumes: readonly string[];
  readonly network: NetworkChoice;
}

export interface ChosenMounts {
  readonly mounts: readonly Mount[];
  /** Anonymous volumes: the image's and `-v /path`, but for those something is mounted on. */
  readonly volumes: readonly string[];
}

/**
 * The system's mounts, then the user's; a user's mount replaces the system's at the same place, and
 * all below /dev when it is /dev itself. Parents come before what lies in them (moby, withMounts).
 */
export function chooseMounts(wishes: MountWishes, facts: HostFacts): ChosenMounts {
  const asked: Wish[] = [
    ...wishes.volume.map((text) => parseVolume(text, facts)),
    ...wishes.mount.map((text) => parseMount(text, facts)),
    ...wishes.tmpfs.map((text): Wish => ({ kind: "mount", mount: parseTmpfs(text) })),
  ];
  refuseDuplicates(asked);
  const own = asked
    .flatMap((wish) => (wish.kind === "mount" ? [wish.mount] : []))
    .map((mount) => (wishes.privileged ? without(mount, "nodev") : mount));
  const ownDevices = wishes.device.map((text) => parseDevice(text, facts));
  const taken = new Set([...own, ...ownDevices].map((mount) => mount.destination));
  const devices = wishes.privileged
    ? facts.devices.map((path) => bindDevice(path, path)).filter((m) => !taken.has(m.destination))
    : [];
  const system = systemMounts(wishes, facts).filter(
    ({ destination }) =>
      !taken.has(destination) && !(taken.has("/dev") && destination.startsWith("/dev/")),
  );
  const mounts = [...system, ...devices, ...ownDevices, ...own];
  const anonymous = asked.flatMap((wish) => (wish.kind === "volume" ? [wish.destination] : []));
  return {
    mounts: mounts.sort((a, b) => depth(a.destination) - depth(b.destination)),
    volumes: volumesLeft([...wishes.imageVolumes, ...anonymous], taken),
  };
}

function systemMounts(wishes: MountWishes, facts: HostFacts): readonly Mount[] {
  const { shmSize, privileged, network } = wishes;
  const sizeBytes = shmSize === undefined ? shmSizeBytes : parseSize(shmSize, "--shm-size");
  const shm: Mount = {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: ["nosuid", "noexec", "nodev", "mode=1777", `size=${sizeBytes}`],
  };
  const joined = network.mode === "joined" ? network.gidMappings : undefined;
  const base = baseMounts.map(fitting(joined ?? facts.identity.gidMappings));
  const open = (mount: Mount) => (mount.destination === "/dev" ? without(mount, "nodev") : mount);
  const system = [...(privileged ? base.map(open) : base), shm];
  const devices = standardDevices.map((path) => bindDevice(path, path));
  return [...system, ...devices, ...sysMounts({ network, privileged }, facts), ...hosts(network)];
}

/** /etc/hosts of a network whose containers know each other by name: a file that changes. */
function hosts(network: NetworkChoice): readonly Mount[] {
  if (network.mode !== "bridge" || network.hostsFile === undefined) return [];
  const options = ["bind", "rprivate", "nosuid", "nodev", "noexec"];
  return [{ destination: "/etc/hosts", type: "bind", source: network.hostsFile, options }];
}

/**
 * devpts refuses a gid that its user namespace does not map (EINVAL): terminals are root's then.
 */
function fitting(gidMappings: readonly IdMapping[]): (mount: Mount) => Mount {
  const ttyGid = 5;
  const isMapped =
    gidMappings.length === 0 ||
    gidMappings.some(
      ({ containerID, size }) => containerID <= ttyGid && ttyGid < containerID + size,
    );
  return (mount) => (isMapped ? mount : without(mount, `gid=${ttyGid}`));
}

function without(mount: Mount, option: string): Mount {
  return { ...mount, options: mount.options.filter((other) => other !== option) };
}

/**
 * /sys shows the network namespace of whoever mounts it, and only its owner may mount it: a
 * rootless container on the host's network gets the host's, read-only with all that is mounted
 * below (sysfs(5), user_namespaces(7)).
 */
function sysMounts(
  { network, privileged }: Pick<MountWishes, "network" | "privileged">,
  facts: HostFacts,
): readonly Mount[] {
  const safe = ["nosuid", "noexec", "nodev"];
  const mode = privileged ? safe : [...safe, "ro"];
  const isOurs = network.mode !== "host" || facts.identity.uidMappings.length === 0;
  const sys: Mount = isOurs
    ? { destination: "/sys", type: "sysfs", source: "sysfs", options: mode }
    : {
        destination: "/sys",
        type: "bind",
        source: "/sys",
        options: ["rbind", "rprivate", ...mode, ...(privileged ? [] : ["rro"])],
      };
  const cgroup = "/sys/fs/cgroup";
  if (facts.cgroup === "unified") {
    return [sys, { destination: cgroup, type: "cgroup2", source: "cgroup", options: mode }];
  }
  if (facts.cgroup === "none") return [sys];
  // cgroup v1 knows no delegation: the host's hierarchies are covered.
  const options = [...safe, "ro", "mode=755", "size=0"];
  return [sys, { destination: cgroup, type: "tmpfs", source: "tmpfs", options }];
}

function refuseDuplicates(wishes: readonly Wish[]): void {
  const seen = new Set<string>();
  for (const wish of wishes) {
    const destination = wish.kind === "mount" ? wish.mount.destination : wish.destination;
    if (!seen.has(destination)) {
      seen.add(destination);
      continue;
    }
    throw new UsageError(`Cannot mount twice at "${destination}"`, {
      hint: "leave one of the two -v, --mount or --tmpfs out",
    });
  }
}

function volumesLeft(volumes: readonly string[], taken: ReadonlySet<string>): readonly string[] {
  // Images with a relative VOLUME mean it from /.
  const paths = volumes.map((path) => normalize(`/${path}`).replace(/(?<=.)\/+$/, ""));
  return [...new Set(paths)].filter((path) => path !== "/" && !taken.has(path));
}

function depth(path: string): number {
  return path.split("/").length;
}
