/** Whether a port of this machine is free, found out by binding it for a moment. bind(2), ip(7). */

import { closeSync, readFileSync } from "node:fs";
import { ipv4Number, ipv6Bytes, isIPv4 } from "../ip.ts";
import { bindSocket, createSocket, LibcError, setSocketOption } from "./libc.ts";

/** A port and where it would listen; `address` "" is everywhere, `port` 0 any free one. */
export interface PortAddress {
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
}

const AF_INET = 2;
const AF_INET6 = 10;

/** The port that was free; EADDRINUSE, EACCES or EADDRNOTAVAIL is thrown as `LibcError`. */
export function freePort(wanted: PortAddress): number {
  if (wanted.address !== "") {
    return bindOnce(isIPv4(wanted.address) ? AF_INET : AF_INET6, wanted);
  }
  try {
    // Of both families at once.
    return bindOnce(AF_INET6, { ...wanted, address: "::" });
  } catch (error) {
    const isOff = ["EAFNOSUPPORT", "EADDRNOTAVAIL"].includes(codeOf(error));
    if (!isOff) throw error; // this machine has IPv6
    return bindOnce(AF_INET, { ...wanted, address: "0.0.0.0" });
  }
}

/** The first port that any user may listen on, net.ipv4.ip_unprivileged_port_start. */
export function unprivilegedPortStart(): number {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "latin1"));
  } catch (error) {
    if (error instanceof Error && "code" in error) return 1024; // Linux before 4.11
    throw error;
  }
}

function bindOnce(family: number, { protocol, address, port }: PortAddress): number {
  const [SOCK_STREAM, SOCK_DGRAM] = [1, 2];
  const [SOL_SOCKET, SO_REUSEADDR, IPPROTO_IPV6, IPV6_V6ONLY] = [1, 2, 41, 26];
  const fd = createSocket(family, protocol === "tcp" ? SOCK_STREAM : SOCK_DGRAM);
  try {
    // Connections that linger (TIME_WAIT) are no obstacle to a listener. For UDP it means sharing.
    if (protocol === "tcp") setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family === AF_INET6) {
      setSocketOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, address === "::" ? 0 : 1);
    }
    const bytes = family === AF_INET ? sockaddrIn(address, port) : sockaddrIn6(address, port);
    bindSocket(fd, bytes);
    return new DataView(bytes.buffer).getUint16(2);
  } finally {
    closeSync(fd);
  }
}

/** `struct sockaddr_in`: the family in the host's order, the rest in the network's. */
function sockaddrIn(address: string, port: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  view.setUint32(4, ipv4Number(address));
  return new Uint8Array(view.buffer);
}

/** `struct sockaddr_in6`: the address is after the flow information. */
function sockaddrIn6(address: string, port: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(28));
  view.setUint16(0, AF_INET6, true);
  view.setUint16(2, port);
  const bytes = new Uint8Array(view.buffer);
  bytes.set(ipv6Bytes(address), 8);
  return bytes;
}

function codeOf(error: unknown): string {
  return error instanceof LibcError ? error.code : "";
}
