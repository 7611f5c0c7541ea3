/** `--device` and the devices of `--privileged` -> bind mounts. Pure. */

import { HbError, UsageError } from "../errors.ts";
import type { HostFacts } from "./facts.ts";
import type { Mount } from "./plan.ts";
import { parseTarget } from "./volumes.ts";

/**
 * The nodes every container has (runtime-spec, "Default Devices"); ptmx and the links are devpts's.
 */
export const standardDevices: readonly string[] = [
  "/dev/full",
  "/dev/null",
  "/dev/random",
  "/dev/tty",
  "/dev/urandom",
  "/dev/zero",
];

/**
 * `HOST[:CONTAINER[:PERMISSIONS]]`. A node is bind-mounted, never made: mknod would need real root.
 */
export function parseDevice(text: string, facts: Pick<HostFacts, "fileKind">): Mount {
  const flag = `--device "${text}"`;
  const [source = "", second, third, ...more] = text.split(":");
  if (more.length > 0 || !source.startsWith("/")) {
    throw new UsageError(`Cannot use ${flag}: it is not /dev/NAME[:DESTINATION[:PERMISSIONS]]`);
  }
  // docker takes `/dev/x:rw` as well.
  const permissions = third ?? (isPermissions(second ?? "") ? second : undefined);
  const target = second === undefined || second === permissions ? source : second;
  checkPermissions(permissions, flag);
  const kind = facts.fileKind(source);
  if (kind !== "device") {
    const why = kind === undefined ? "does not exist" : "is no device";
    throw new HbError(`Cannot use ${flag}: "${source}" ${why}`, { hint: "see what /dev has" });
  }
  return bindDevice(source, parseTarget(target, flag));
}

/** `source` at `destination`, usable as a device. */
export function bindDevice(source: string, destination: string): Mount {
  return {
    destination,
    type: "bind",
    source,
    // No nodev, or every open of it would be refused.
    options: ["bind", "rprivate", "nosuid", "noexec"],
  };
}

function isPermissions(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text);
}

/** Only a device cgroup could take reading or writing away from who may open the node. */
function checkPermissions(permissions: string | undefined, flag: string): void {
  if (permissions === undefined) return;
  if (!isPermissions(permissions)) {
    throw new UsageError(`Cannot use ${flag}: "${permissions}" is not made of r, w and m`);
  }
  if (permissions.includes("r") && permissions.includes("w")) return;
  throw new UsageError(`Cannot use ${flag}: hb cannot take reading or writing away`, {
    hint: "write rw, or change who may open the device on the host",
  });
}
