/**
 * Where a registry is and how it is spoken to. Pure.
 *
 * A loopback host is tried in plain HTTP first (a test registry), every other one in HTTPS;
 * `--tls-verify=false` leaves certificates unchecked and allows plain HTTP where there is no TLS.
 */

export type Scheme = "http" | "https";

export interface Endpoint {
  /** `host[:port]` to connect to. */
  readonly host: string;
  /** What may be tried, in order. */
  readonly schemes: readonly Scheme[];
}

/** Docker Hub's images are named docker.io, but answered for elsewhere. */
const apiHosts: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

/** The endpoint of a reference's `registry`. */
export function endpointOf(registry: string, tlsVerify: boolean): Endpoint {
  const host = Object.hasOwn(apiHosts, registry) ? (apiHosts[registry] ?? registry) : registry;
  if (isLoopback(host)) return { host, schemes: ["http", "https"] };
  return { host, schemes: tlsVerify ? ["https"] : ["https", "http"] };
}

/** Whether `host[:port]` is this machine: localhost, *.localhost (RFC 6761), 127.0.0.0/8, [::1]. */
export function isLoopback(host: string): boolean {
  const name = hostName(host).toLowerCase();
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name) ||
    name === "::1" ||
    /^(?:0+:){7}0*1$/.test(name)
  );
}

/** Whether `host[:port]` names a port. */
export function hasPort(host: string): boolean {
  return /:\d+$/.test(host.startsWith("[") ? host.slice(host.indexOf("]")) : host);
}

function hostName(host: string): string {
  if (host.startsWith("[")) return host.slice(1, host.indexOf("]"));
  const colon = host.indexOf(":");
  return colon < 0 ? host : host.slice(0, colon);
}
