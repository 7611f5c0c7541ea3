/**
 * Which proxy a request goes through. Pure.
 *
 * HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, upper or lower case, by the rules of Go's
 * golang.org/x/net/http/httpproxy, because docker and podman have them: this machine is always
 * asked directly, NO_PROXY takes CIDR ranges and ports. Bun's own reading knows no ranges, and goes
 * without a proxy where the proxy's address lacks a scheme.
 */

import { HbError } from "../errors.ts";
import { ipv4Number, ipv6Bytes, isIPv4, isIPv6 } from "../ip.ts";
import { isLoopback } from "./endpoint.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy's URL, or false to connect directly. */
export function proxyFor(url: URL, env: Environment): string | false {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = variable(env, name) || variable(env, "ALL_PROXY");
  if (proxy === "" || isLoopback(url.host) || isExempt(url, variable(env, "NO_PROXY")))
    return false;
  return parseProxy(proxy, name);
}

/** As curl does, hb prefers the older lower case. */
function variable(env: Environment, name: string): string {
  return (env[name.toLowerCase()] || env[name] || "").trim();
}

function parseProxy(text: string, name: string): string {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url !== null && url.hostname !== "" && /^https?:$/.test(url.protocol)) return url.href;
  // Its value may hold a password.
  throw new HbError(`Cannot use ${name}: it is no address of an HTTP proxy`, {
    hint: `write ${name}=http://HOST:PORT`,
  });
}

/** Whether an entry of NO_PROXY covers the host: a name with all below it, an address, a range. */
function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => covers(entry.toLowerCase(), host, port));
}

function covers(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  const slash = entry.indexOf("/");
  if (slash >= 0) return isInRange(host, entry.slice(0, slash), entry.slice(slash + 1));
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(entry);
  const [, plain = "", plainPort] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  const isBareIPv6 = isIPv6(entry);
  const name = bracketed?.[1] ?? (isBareIPv6 ? entry : plain);
  const wanted = bracketed === null ? (isBareIPv6 ? undefined : plainPort) : bracketed[2];
  if (wanted !== undefined && wanted !== port) return false;
  if (isIPv6(name)) return isIPv6(host) && sameBits(ipv6Bytes(name), ipv6Bytes(host), 128);
  if (isIPv4(name)) return name === host;
  const domain = name.replace(/^\*?\./, "");
  return domain !== "" && (host === domain || host.endsWith(`.${domain}`));
}

/** Names are not looked up: a range is about hosts that are written as addresses. */
function isInRange(host: string, network: string, prefix: string): boolean {
  const address = network.replace(/^\[|\]$/g, "");
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  const [left, right] = [bytesOf(host), bytesOf(address)];
  if (left === undefined || right === undefined || left.length !== right.length) return false;
  return bits <= left.length * 8 && sameBits(left, right, bits);
}

function bytesOf(address: string): Uint8Array | undefined {
  if (isIPv6(address)) return ipv6Bytes(address);
  if (!isIPv4(address)) return undefined;
  const number = ipv4Number(address);
  return Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number);
}

function sameBits(left: Uint8Array, right: Uint8Array, bits: number): boolean {
  return left.every((byte, at) => {
    const counted = Math.min(8, Math.max(0, bits - at * 8));
    const mask = (0xff00 >> counted) & 0xff;
    return (byte & mask) === ((right[at] ?? 0) & mask);
  });
}
