/**
 * A running container's network, for `--network container:NAME`. Namespaces are handed on as open
 * descriptors, which no reused pid can redirect.
 */

import { closeSync, constants, openSync, readFileSync, readlinkSync, statSync } from "node:fs";
import type { JoinedFiles } from "../container/network.ts";
import type { IdMapping, Namespace } from "../container/plan.ts";
import { HbError } from "../errors.ts";

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

/** The network of the running container that `text` names and whose first process is `process`. */
export function joinContainer(process: number, text: string, rootless: boolean): JoinedNetwork {
  const doing = `Cannot use --network container:${text}`;
  if (networkOf(process) === networkOf("self")) {
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

function networkOf(process: number | "self"): string | undefined {
  try {
    return readlinkSync(`/proc/${process}/ns/net`);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined; // gone, or not ours
    throw error;
  }
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
