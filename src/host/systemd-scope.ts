/**
 * Asking a systemd manager for a scope: a cgroup that is ours below it, as its documentation wants
 * container managers to get one (systemd.io/CGROUP_DELEGATION, org.freedesktop.systemd1(5)).
 */

import { HbError } from "../errors.ts";
import { DbusConnection } from "./dbus.ts";
import type { DbusValue } from "./dbus-wire.ts";
import type { Manager } from "./systemd.ts";

/** What the scope is to be. */
export interface ScopeWish {
  /** Without `.scope`. */
  readonly name: string;
  readonly description: string;
  readonly pids: readonly number[];
  /** Absent: the manager's default. */
  readonly slice?: string;
}

/**
 * Moves `pids` into a new scope of their own, which goes when the last process in it has ended.
 * Returns when they are there.
 */
export async function startScope(manager: Manager, wish: ScopeWish): Promise<void> {
  const unit = `${wish.name}.scope`;
  try {
    using connection = await DbusConnection.open(manager.socket);
    const call = (member: string, signature = "", body: readonly DbusValue[] = []) =>
      connection.call({ ...systemd, member, signature, body });
    if (manager.isBus) await listen(connection, call);
    const [job] = await call("StartTransientUnit", "ssa(sv)a(sa(sv))", [
      ...[unit, "fail"],
      propertiesOf(wish),
      [],
    ]);
    const removed = await connection.next(
      ({ member, body }) => member === "JobRemoved" && body[1] === job,
    );
    const [, , , outcome] = removed.body;
    if (outcome !== "done") throw new HbError(`systemd's job for it ended as "${outcome}"`);
  } catch (error) {
    throw new HbError(`Cannot get a cgroup from systemd's ${manager.kind} manager`, {
      cause: error,
    });
  }
}

const systemd = {
  destination: "org.freedesktop.systemd1",
  path: "/org/freedesktop/systemd1",
  interface: "org.freedesktop.systemd1.Manager",
};

/** On a bus signals come to those who ask for them; a manager's own socket sends them anyway. */
async function listen(
  connection: DbusConnection,
  call: (member: string) => Promise<unknown>,
): Promise<void> {
  const bus = {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
  };
  const match = `type='signal',interface='${systemd.interface}',member='JobRemoved'`;
  await connection.call({ ...bus, member: "Hello", signature: "", body: [] });
  await connection.call({ ...bus, member: "AddMatch", signature: "s", body: [match] });
  await call("Subscribe");
}

function propertiesOf({ description, pids, slice }: ScopeWish): DbusValue[] {
  const text = (value: string) => ({ signature: "s", value });
  return [
    ["Description", text(description)],
    ["PIDs", { signature: "au", value: pids }],
    ["Delegate", { signature: "b", value: true }],
    // Failed or not, an empty scope is of no use to anybody.
    ["CollectMode", text("inactive-or-failed")],
    ...(slice === undefined ? [] : [["Slice", text(slice)]]),
  ];
}
