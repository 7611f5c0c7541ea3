/** Subnets and the addresses in them: IPv4 as chosen, IPv6 alongside. Pure. */

import { HbError, UsageError } from "../errors.ts";
import { ipv4Number, ipv4Text, isIPv4 } from "../ip.ts";

/** `10.89.0.0/16`. */
export interface Subnet {
  readonly first: number;
  readonly prefix: number;
}

/** A name for messages and the subnet it stands for. */
export interface TakenSubnet extends Subnet {
  readonly what: string;
}

/** The subnet `text` writes; its host bits must be zero unless `anyAddress`. */
export function parseSubnet(text: string, flag: string): Subnet {
  const [, address = "", bits = ""] = /^([0-9.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const prefix = Number(bits);
  if (!isIPv4(address) || bits === "" || prefix < 8 || prefix > 29) {
    throw new UsageError(`Cannot use ${flag} "${text}": it is no IPv4 subnet`, {
      hint: "write it as 10.90.0.0/16, with 8 to 29 bits",
    });
  }
  const number = ipv4Number(address);
  const first = number - (number % size({ first: 0, prefix }));
  if (first !== number) {
    throw new UsageError(`Cannot use ${flag} "${text}": that is an address in a subnet`, {
      hint: `write the subnet as ${ipv4Text(first)}/${prefix}`,
    });
  }
  return { first, prefix };
}

/** The subnet of `prefix` bits that an address is in. */
export function subnetAround(address: string, prefix: number): Subnet {
  const number = ipv4Number(address);
  return { first: number - (number % size({ first: 0, prefix })), prefix };
}

/** `10.89.0.0/16`. */
export function formatSubnet({ first, prefix }: Subnet): string {
  return `${ipv4Text(first)}/${prefix}`;
}

/** How many addresses there are. */
export function size({ prefix }: Subnet): number {
  return 2 ** (32 - prefix);
}

/** The address `host` places after the subnet's own. */
export function addressAt(subnet: Subnet, host: number): string {
  return ipv4Text(subnet.first + host);
}

/** Which place in the subnet an address has, or undefined where no machine may have it. */
export function hostNumber(subnet: Subnet, address: string): number | undefined {
  const host = ipv4Number(address) - subnet.first;
  // The first and the last are the subnet's own and its broadcast.
  return host > 0 && host < size(subnet) - 1 ? host : undefined;
}

/** Whether two subnets have an address in common. */
export function overlaps(one: Subnet, other: Subnet): boolean {
  return one.first < other.first + size(other) && other.first < one.first + size(one);
}

/** The first of hb's own subnets that nobody has: 10.90.0.0/16 and those after it. */
export function freeSubnet(taken: readonly Subnet[]): Subnet {
  for (let second = 90; second < 256; second++) {
    const candidate = { first: ipv4Number(`10.${second}.0.0`), prefix: 16 };
    if (!taken.some((other) => overlaps(candidate, other))) return candidate;
  }
  throw new HbError("Cannot find a free subnet in 10.90.0.0 to 10.255.0.0", {
    hint: "choose one with --subnet",
  });
}

/** A unique local /64 (RFC 4193) from 40 random bits in hexadecimal: `fd12:3456:789a::`. */
export function uniqueLocalPrefix(globalId: string): string {
  const [a, b, c] = [globalId.slice(0, 2), globalId.slice(2, 6), globalId.slice(6, 10)];
  return `fd${a}:${b}:${c}::`;
}

/** The IPv6 address with the same host number. */
export function address6At(prefix6: string, host: number): string {
  const [high, low] = [Math.floor(host / 65536), host % 65536];
  const tail = high === 0 ? low.toString(16) : `${high.toString(16)}:${low.toString(16)}`;
  return `${prefix6}${tail}`;
}
