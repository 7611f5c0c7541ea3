/** `-p` and `-P`: which ports of the host shall lead to which of the container. Pure. */

import { UsageError } from "../errors.ts";
import { isIPAddress } from "../ip.ts";
import type { Protocol, Publish } from "./plan.ts";

/** A wish; `hostPort` 0 is any free port. */
export interface PortRequest extends Publish {
  /** What the user wrote, for messages. */
  readonly written: string;
}

const EXAMPLES = "write it as [ADDRESS:][PORT:]PORT[/tcp|/udp], for example 8080:80";

/** The ports `-p` names, and with `all` the image's EXPOSEd ones on random ports. */
export function parsePorts(
  publish: readonly string[],
  { all, exposed }: { readonly all: boolean; readonly exposed: readonly string[] },
): readonly PortRequest[] {
  const asked = publish.flatMap(parsePublish);
  const taken = new Set(asked.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`));
  const open = all ? exposed.flatMap(parsePublish) : [];
  const ports = [
    ...asked,
    ...open.filter(({ containerPort, protocol }) => !taken.has(`${containerPort}/${protocol}`)),
  ];
  refuseTwice(ports);
  return ports;
}

/** One `-p`: several ports when it is a range. */
export function parsePublish(written: string): PortRequest[] {
  const [, body = "", name] = /^([^/]*)(?:\/(.*))?$/s.exec(written) ?? [];
  const protocol = parseProtocol(name, written);
  const parts = splitPublish(body);
  const [container = "", host, address] = parts.reverse();
  if (parts.length > 3 || container === "") throw malformed(written, "it is malformed");
  const hostAddress = parseAddress(address, written);
  const inside = parseRange(container, written);
  if (host === undefined || host === "") {
    return range(inside).map((containerPort) => {
      return { protocol, hostAddress, hostPort: 0, containerPort, written };
    });
  }
  const outside = parseRange(host, written);
  const [count, wanted] = [range(outside).length, range(inside).length];
  if (count !== wanted) {
    throw malformed(written, `${count} ports of the host for ${wanted} of the container`);
  }
  return range(inside).map((containerPort, index) => {
    return { protocol, hostAddress, hostPort: outside.first + index, containerPort, written };
  });
}

/** At colons, but not those of a `[IPv6]` address. */
function splitPublish(text: string): string[] {
  const bracketed = /^\[([^\]]*)\]:(.*)$/s.exec(text);
  if (bracketed === null) return text.split(":");
  const [, address = "", rest = ""] = bracketed;
  const ports = rest.split(":");
  return ports.length === 1 ? [address, "", ...ports] : [address, ...ports];
}

function parseProtocol(name: string | undefined, written: string): Protocol {
  const protocol = name?.toLowerCase() ?? "tcp";
  if (protocol === "tcp" || protocol === "udp") return protocol;
  throw malformed(written, `hb forwards tcp and udp, not "${name}"`);
}

function parseAddress(address: string | undefined, written: string): string {
  if (address === undefined || address === "") return "";
  if (isIPAddress(address)) return address.toLowerCase();
  throw malformed(written, `"${address}" is no IP address`);
}

interface Range {
  readonly first: number;
  readonly last: number;
}

function parseRange(text: string, written: string): Range {
  const [, from = "", to] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  if (from === "") throw malformed(written, `"${text}" is no port`);
  const first = Number(from);
  const last = to === undefined ? first : Number(to);
  if (first < 1 || last > 65535) throw malformed(written, "ports go from 1 to 65535");
  if (last < first) throw malformed(written, `the range "${text}" ends before it begins`);
  return { first, last };
}

function range({ first, last }: Range): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function refuseTwice(ports: readonly PortRequest[]): void {
  const seen = new Map<string, PortRequest>();
  for (const port of ports) {
    if (port.hostPort === 0) continue;
    for (const address of port.hostAddress === "" ? [""] : ["", port.hostAddress]) {
      const other = seen.get(`${address} ${port.hostPort}/${port.protocol}`);
      if (other === undefined) continue;
      throw new UsageError(
        `Cannot publish "${port.written}": "${other.written}" has port ${port.hostPort} already`,
        { hint: "leave one of them out, or use another port" },
      );
    }
    seen.set(`${port.hostAddress} ${port.hostPort}/${port.protocol}`, port);
  }
}

function malformed(written: string, why: string): UsageError {
  return new UsageError(`Cannot publish "${written}": ${why}`, { hint: EXAMPLES });
}

/** `0.0.0.0:49153 -> 80/tcp`, as people read it. */
export function formatPublish({ protocol, hostAddress, hostPort, containerPort }: Publish): string {
  const address = hostAddress.includes(":") ? `[${hostAddress}]` : hostAddress || "0.0.0.0";
  return `${address}:${hostPort} -> ${containerPort}/${protocol}`;
}
