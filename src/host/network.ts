/** What networks this machine can give a container; each fact is read when it is asked for. */

import { accessSync, closeSync, constants, openSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { NetworkFacts } from "../container/facts.ts";
import { findProgram } from "./identity.ts";
import { installCommand } from "./packages.ts";

/** The networks of this machine. */
export function hostNetwork(): NetworkFacts {
  return new HostNetwork();
}

class HostNetwork implements NetworkFacts {
  get pasta(): string | undefined {
    return findProgram("pasta", process.env.PATH ?? "");
  }

  /** Opened, because a node without its driver is there as well. */
  get hasTun(): boolean {
    return succeeds(() => closeSync(openSync("/dev/net/tun", constants.O_RDWR)));
  }

  get installPasta(): string {
    return `${installCommand(process.env.PATH ?? "")} passt`;
  }

  /** In somebody's container root may lack CAP_NET_ADMIN, or have /proc/sys read-only. */
  get canBridge(): boolean {
    const CAP_NET_ADMIN = 12n;
    const status = readOptional("/proc/self/status");
    const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
    if (((effective >> CAP_NET_ADMIN) & 1n) === 0n) return false;
    return succeeds(() => accessSync("/proc/sys/net/ipv4/ip_forward", constants.W_OK));
  }

  get address4(): string | undefined {
    return addressOf(defaultInterface4(), "IPv4");
  }

  get address6(): string | undefined {
    return addressOf(defaultInterface6(), "IPv6");
  }
}

function addressOf(name: string | undefined, family: "IPv4" | "IPv6"): string | undefined {
  const addresses = name === undefined ? undefined : networkInterfaces()[name];
  return addresses?.find((each) => each.family === family && !each.address.startsWith("fe80:"))
    ?.address;
}

function defaultInterface4(): string | undefined {
  for (const { name, destination, mask } of routes()) {
    if (destination === 0 && mask === 0) return name;
  }
  return undefined;
}

/** By proc_net(5): destination, its length, six more words, the name; lo has unreachable ones. */
function defaultInterface6(): string | undefined {
  for (const line of readOptional("/proc/net/ipv6_route").split("\n")) {
    const [destination = "", length, ...rest] = line.trim().split(/\s+/);
    const name = rest.at(-1);
    if (/^0{32}$/.test(destination) && length === "00" && name !== "lo") return name;
  }
  return undefined;
}

/** One line of /proc/net/route; numbers as an address is read, the first octet highest. */
export interface Route {
  readonly name: string;
  readonly destination: number;
  readonly mask: number;
}

/** The IPv4 routes of the main table. */
export function routes(): readonly Route[] {
  const lines = readOptional("/proc/net/route").split("\n").slice(1);
  return lines.flatMap((line) => {
    const [name = "", destination = "", , , , , , mask = ""] = line.split(/\s+/);
    if (name === "" || mask === "") return [];
    return [{ name, destination: swapped(destination), mask: swapped(mask) }];
  });
}

/** Hexadecimal in the host's order, which is little-endian on every machine hb runs on. */
function swapped(hex: string): number {
  const value = Number.parseInt(hex, 16);
  const octets = [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
  return octets.reduce((sum, octet) => sum * 256 + octet, 0);
}

function succeeds(attempt: () => void): boolean {
  try {
    attempt();
    return true;
  } catch (error) {
    // Whatever the reason is, the answer to the question is no.
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error) return ""; // this kernel has no such file
    throw error;
  }
}
