/**
 * A running container's processes, for `--network container:NAME`.
 *
 * There is no pid file to be wrong: the supervisor is who holds the lock of the container's
 * directory, and the kernel says who that is (/proc/locks, proc(5)); the container's first process
 * is its child. Namespaces are handed on as open descriptors, which no reused pid can redirect.
 */

import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from "node:fs";
import type { JoinedFiles } from "../container/network.ts";
import type { IdMapping, Namespace } from "../container/plan.ts";
import { HbError } from "../errors.ts";
import { containerPath, type StorePaths, within } from "../store/layout.ts";
import { listContainers } from "../store/sweep.ts";

/** A network namespace to join, with what must stay open for it. */
export interface JoinedNetwork {
  readonly namespaces: readonly Namespace[];
  readonly files: JoinedFiles;
  readonly keep: readonly number[];
}

/** The same of a namespace that is known by its path. */
export interface JoinedNamespace extends Omit<JoinedNetwork, "files"> {
  readonly gidMappings?: readonly IdMapping[];
}

/** The network of the running container that `text` names: its name, or the beginning of its id. */
export function joinContainer(store: StorePaths, text: string, rootless: boolean): JoinedNetwork {
  const doing = `Cannot use --network container:${text}`;
  const id = findContainer(store, text, doing);
  const supervisor = lockHolder(containerPath(store, id));
  if (supervisor === undefined) throw new HbError(`${doing}: that container is not running`);
  const process = networkedChild(supervisor);
  if (process === undefined) {
    throw new HbError(`${doing}: that container has no network of its own`, {
      hint: "use --network host",
    });
  }
  const joined = openNamespaces(process, rootless, doing);
  const hosts = readInside(process, ["etc", "hosts"]);
  const resolvConf = readInside(process, ["etc", "resolv.conf"]);
  return {
    ...joined,
    files: {
      ...(hosts === undefined ? {} : { hosts }),
      ...(resolvConf === undefined ? {} : { resolvConf }),
    },
  };
}

/**
 * The namespace at `path`. A user may only join one of a user namespace of its own: of a process
 * that is known by the path.
 */
export function joinPath(path: string, rootless: boolean): JoinedNamespace {
  const process = /^(\/proc\/\d+)\/(task\/\d+\/)?ns\/net$/.exec(path)?.[1];
  const doing = `Cannot use --network ns:${path}`;
  const network = openNamespace(path, doing);
  const namespaces: Namespace[] = [{ type: "network", path: `/proc/self/fd/${network}` }];
  if (!rootless || process === undefined) return { namespaces, keep: [network] };
  const user = openNamespace(`${process}/ns/user`, doing);
  namespaces.unshift({ type: "user", path: `/proc/self/fd/${user}` });
  return { namespaces, keep: [user, network], gidMappings: readMap(`${process}/gid_map`) };
}

/** user_namespaces(7): inside, outside, count. */
function readMap(file: string): IdMapping[] {
  const lines = (readOptional(file) ?? "").trim().split("\n");
  return lines.map((line) => {
    const [containerID = 0, hostID = 0, size = 0] = line.trim().split(/\s+/).map(Number);
    return { containerID, hostID, size };
  });
}

function openNamespaces(
  process: number,
  rootless: boolean,
  doing: string,
): Pick<JoinedNetwork, "namespaces" | "keep"> {
  const types = rootless ? (["user", "network"] as const) : (["network"] as const);
  const files = { user: "user", network: "net" };
  const opened = types.map((type) => {
    return { type, fd: openNamespace(`/proc/${process}/ns/${files[type]}`, doing) };
  });
  return {
    namespaces: opened.map(({ type, fd }) => ({ type, path: `/proc/self/fd/${fd}` })),
    keep: opened.map(({ fd }) => fd),
  };
}

function openNamespace(path: string, doing: string): number {
  try {
    return openSync(path, constants.O_RDONLY);
  } catch (error) {
    throw new HbError(doing, { cause: error });
  }
}

function findContainer(store: StorePaths, text: string, doing: string): string {
  const named = readOptional(`${within(store.root, "names")}/${text.replaceAll("/", "")}`);
  if (named !== undefined && /^[0-9a-f]{64}$/.test(named)) return named;
  const isId = /^[0-9a-f]{1,64}$/.test(text);
  const found = isId ? listContainers(store).filter((id) => id.startsWith(text)) : [];
  const [id, other] = found;
  if (id === undefined) throw new HbError(`${doing}: there is no such container`);
  if (other === undefined) return id;
  throw new HbError(`${doing}: several containers have ids that begin so`, {
    hint: "write more of it",
  });
}

/** Which process has the exclusive flock(2) on `directory`. */
function lockHolder(directory: string): number | undefined {
  const inode = statSync(directory, { throwIfNoEntry: false })?.ino;
  if (inode === undefined) return undefined;
  for (const line of readFileSync("/proc/locks", "latin1").split("\n")) {
    // `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`; btrfs's device is not stat(2)'s.
    const [, kind, , mode, pid, file = ""] = line.split(/\s+/);
    if (kind !== "FLOCK" || mode !== "WRITE" || file.split(":")[2] !== String(inode)) continue;
    if (readOptional(`/proc/${pid}/cmdline`)?.startsWith("hb-init\0") === true) return Number(pid);
  }
  return undefined;
}

/** The supervisor's child in another network: the container's first process, and not pasta. */
function networkedChild(supervisor: number): number | undefined {
  const own = networkOf(supervisor);
  return childrenOf(supervisor).find((pid) => {
    const network = networkOf(pid);
    const isPasta = /^pass?t/.test(readOptional(`/proc/${pid}/comm`) ?? "");
    return network !== undefined && network !== own && !isPasta;
  });
}

function networkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined; // gone, or not ours
    throw error;
  }
}

function childrenOf(parent: number): number[] {
  const listed = readOptional(`/proc/${parent}/task/${parent}/children`);
  if (listed !== undefined) return listed.split(" ").filter(Boolean).map(Number);
  // Without CONFIG_PROC_CHILDREN: everybody's parent is the second word after the name.
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    const stat = readOptional(`/proc/${pid}/stat`) ?? "";
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
  });
}

const FILE_BYTES_MAX = 64 * 1024;

/**
 * A file of a container, or undefined. Each part of its path is opened without following symbolic
 * links, which a container could make to lead to a file of the host.
 */
function readInside(pid: number, path: readonly string[]): string | undefined {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const opened: number[] = [];
  try {
    opened.push(openSync(`/proc/${pid}/root`, O_RDONLY | O_DIRECTORY));
    for (const [index, name] of path.entries()) {
      const kind = index === path.length - 1 ? O_NONBLOCK : O_DIRECTORY;
      opened.push(openSync(`/proc/self/fd/${opened.at(-1)}/${name}`, O_RDONLY | O_NOFOLLOW | kind));
    }
    const file = `/proc/self/fd/${opened.at(-1)}`;
    const stat = statSync(file);
    return stat.isFile() && stat.size <= FILE_BYTES_MAX ? readFileSync(file, "utf8") : undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined; // not there, or not for us
    throw error;
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined; // gone meanwhile
    throw error;
  }
}
