/**
 * The systemd managers of this machine: which there is, and what it lets go on. Asking one for
 * something is systemd-scope.ts.
 */

import { existsSync } from "node:fs";

/** A manager that can be talked to. */
export interface Manager {
  readonly kind: "system" | "user";
  readonly socket: string;
  /** A message bus between us and it; else it is the peer itself. */
  readonly isBus: boolean;
}

/** The manager of the machine, or of this user's session; undefined where there is none. */
export function findManager(uid: number): Manager | undefined {
  if (uid === 0) {
    const socket = "/run/systemd/private";
    const isThere = existsSync("/run/systemd/system") && existsSync(socket);
    return isThere ? { kind: "system", socket, isBus: false } : undefined;
  }
  const runtime = process.env.XDG_RUNTIME_DIR ?? `/run/user/${uid}`;
  const named = /^unix:path=([^,;]+)/.exec(process.env.DBUS_SESSION_BUS_ADDRESS ?? "")?.[1];
  const candidates = [
    { socket: `${runtime}/systemd/private`, isBus: false },
    { socket: `/run/user/${uid}/systemd/private`, isBus: false },
    { socket: named ?? `${runtime}/bus`, isBus: true },
  ];
  const found = candidates.find(({ socket }) => existsSync(socket));
  return found === undefined ? undefined : { kind: "user", ...found };
}

/** Whether this user's manager, and all that it runs, goes on after logout. */
export function lingers(userName: string): boolean {
  return existsSync(`/var/lib/systemd/linger/${userName}`);
}
