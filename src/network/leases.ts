/**
 * Who has which address of a network: /run/hb/networks/<NAME>/leases/<IPv4 address>.
 *
 * A bridge is the machine's, whichever store its containers are in, and gone after a reboot: so are
 * its leases. A lease is held by the lock on its file, which goes with hb into the supervisor; the
 * kernel lets go however that dies. Who looks at leases or changes them holds the lock of the
 * network's directory, and only for moments.
 */

import {
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { HbError } from "../errors.ts";
import { runHelper } from "../helper/binary.ts";
import { LOCK_EX, tryFlock } from "../host/libc.ts";
import { isIPv4 } from "../ip.ts";
import { type DirectoryLock, waitNamedLock } from "../store/lock.ts";
import { namesIn, networksDirectory, networksWithState } from "./runtime.ts";
import { hostNumber, type Subnet, size } from "./subnet.ts";

/** A lease somebody holds. */
export interface Lease {
  readonly address: string;
  /** The container's id. */
  readonly id: string;
  /** What the container is called in its network. */
  readonly names: readonly string[];
  /** `ADDRESS:PORT/PROTOCOL` of the host. */
  readonly ports: readonly string[];
}

/** A lease that is ours as long as its descriptor is open. */
export interface OwnLease extends Lease {
  readonly fd: number;
}

/** Where the state of the network `name` is. */
export function statePath(name: string): string {
  return `${networksDirectory}/${name}`;
}

/** A network's leases, with nobody else at them. */
export class Leases implements Disposable {
  readonly #lock: DirectoryLock;
  readonly #directory: string;
  readonly held: readonly Lease[];
  /** Addresses whose container is gone, to be swept. */
  readonly dead: readonly string[];

  private constructor(directory: string, lock: DirectoryLock) {
    this.#directory = directory;
    this.#lock = lock;
    const found = namesIn(`${directory}/leases`).filter(isIPv4);
    const leases = found.map((address) => readLease(directory, address));
    this.held = leases.filter((lease) => typeof lease !== "string");
    this.dead = leases.filter((lease) => typeof lease === "string");
  }

  /** Opens the leases of the network `name`, once what dead containers left is gone. */
  static open(name: string): Leases {
    const leases = Leases.openAsIs(name);
    if (leases.dead.length === 0) return leases;
    leases[Symbol.dispose]();
    sweepNetworks([name]);
    return Leases.openAsIs(name);
  }

  static openAsIs(name: string): Leases {
    const directory = statePath(name);
    for (;;) {
      mkdirSync(`${directory}/leases`, { recursive: true, mode: 0o700 });
      // The last container's supervisor removes the directory.
      const lock = waitNamedLock(directory, "exclusive");
      if (lock === undefined) continue;
      mkdirSync(`${directory}/leases`, { recursive: true, mode: 0o700 });
      return new Leases(directory, lock);
    }
  }

  /** Takes `lease`, whose address nobody has. */
  take(lease: Lease): OwnLease {
    const file = `${this.#directory}/leases/${lease.address}`;
    const fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    if (!tryFlock(fd, LOCK_EX)) {
      closeSync(fd);
      throw addressTaken(lease.address, this.held);
    }
    ftruncateSync(fd);
    writeSync(fd, `${lease.id}\n${lease.names.join(" ")}\n${lease.ports.join(" ")}\n`, 0);
    return { ...lease, fd };
  }

  /** Gives a lease back that no supervisor has got. */
  giveBack({ address, fd }: OwnLease): void {
    rmSync(`${this.#directory}/leases/${address}`, { force: true });
    rmSync(`${this.#directory}/hosts/${address}`, { force: true });
    closeSync(fd);
  }

  [Symbol.dispose](): void {
    this.#lock.release();
  }
}

/** The address that is asked for, or the lowest nobody has; undefined where all are taken. */
export function chooseAddress(
  subnet: Subnet,
  wanted: string | undefined,
  { gateway, held, dead }: Pick<Leases, "held" | "dead"> & { readonly gateway: string },
): number | undefined {
  const used = new Set([gateway, ...held.map(({ address }) => address), ...dead]);
  const numbers = new Set([...used].flatMap((address) => hostNumber(subnet, address) ?? []));
  if (wanted !== undefined) {
    const number = hostNumber(subnet, wanted);
    if (number === undefined || !numbers.has(number)) return number;
    throw wanted === gateway
      ? new HbError(`Cannot use --ip ${wanted}: it is the bridge's own`)
      : addressTaken(wanted, held);
  }
  for (let number = 1; number < size(subnet) - 1; number++) {
    if (!numbers.has(number)) return number;
  }
  return undefined;
}

/** Removes what containers left that did not end in peace: interfaces, rules, leases, bridges. */
export function sweepNetworks(names: readonly string[]): void {
  if (names.length === 0) return;
  const directories = names.map(statePath);
  runHelper(["network-sweep", "--state", ...directories], "Cannot clean up networks");
}

/** A network's dead are looked for by every command that changes the store, as root. */
export function sweepDeadLeases(): HbError | undefined {
  try {
    sweepNetworks(networksWithState().filter(hasDead));
    return undefined;
  } catch (error) {
    if (error instanceof HbError) return error;
    throw error;
  }
}

function hasDead(name: string): boolean {
  using leases = Leases.openAsIs(name);
  // A directory without leases is left over from a container that never came to be.
  return leases.dead.length > 0 || leases.held.length === 0;
}

/** A held lease, or the address of a dead one. The caller has the directory's lock. */
function readLease(directory: string, address: string): Lease | string {
  const file = `${directory}/leases/${address}`;
  const fd = openSync(file, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    if (tryFlock(fd, LOCK_EX)) return address;
    const [id = "", names = "", ports = ""] = readFileSync(file, "utf8").split("\n");
    return { address, id, names: words(names), ports: words(ports) };
  } finally {
    closeSync(fd);
  }
}

function words(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}

function addressTaken(address: string, held: readonly Lease[]): HbError {
  const id = held.find((lease) => lease.address === address)?.id.slice(0, 12);
  const who = id === undefined ? "another container" : `the container ${id}`;
  return new HbError(`Cannot use --ip ${address}: ${who} has it`, {
    hint: "use another address, or leave --ip out",
  });
}
