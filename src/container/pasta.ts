/**
 * Ports -> pasta's arguments (pasta(1)). Pure.
 *
 * Only options that Debian 12's passt (2023_03_09) has already are used, and newer ones still have:
 * no run must ask `pasta --help` first. pasta.test.ts compares them with what both versions list.
 *
 * The container has an address of its own behind pasta (slirp4netns' well-known ones) instead of a
 * copy of the host's: so the host's own address leads to the host, in every version, while its
 * loopback services stay out of reach (--no-map-gw).
 */

import { UsageError } from "../errors.ts";
import { type NameWishes, pastaResolver, resolvConf } from "./etc.ts";
import type { HostFacts } from "./facts.ts";
import type { NetworkChoice, NetworkIntent } from "./network.ts";
import type { Protocol } from "./plan.ts";
import type { PortRequest } from "./ports.ts";

/** What pasta tells the container of itself. The ULA's global id is random (RFC 4193). */
const subnet4 = { prefix: "24", gateway: "10.0.2.2" } as const;
const subnet6 = { own: "fd8e:c4a1:7b09::100", gateway: "fe80::1" } as const;

/** What a container's only way out is called. */
const deviceName = "eth0";

/** The network of a container behind pasta; random ports in `ports` have been chosen. */
export function behindPasta(
  intent: Extract<NetworkIntent, { readonly mode: "pasta" }>,
  ports: readonly PortRequest[],
  wishes: NameWishes,
  facts: HostFacts,
): NetworkChoice {
  const { forwards } = resolvConf(wishes, intent, facts);
  const { address4, address6 } = facts.network;
  const { options, path } = intent;
  const own = ownAddresses(address4, address6);
  const args = pastaArgs({
    ports,
    options,
    own,
    forwardsDns: forwards,
    hasDefaultRoute: (address4 ?? address6) !== undefined,
  });
  const hostAddress = address4 ?? address6;
  const device = namesDevice(options) ? {} : { device: deviceName };
  return {
    mode: "pasta",
    pasta: { path, args, publish: ports.map(({ written: _, ...publish }) => publish), ...device },
    addresses: own.filter((address) => args.includes(address)),
    ...(hostAddress === undefined ? {} : { hostAddress }),
  };
}

/**
 * The container's own addresses, of the families the machine has a way out by, or of IPv4 where it
 * has none: not the host's, which may itself be behind such a network.
 */
export function ownAddresses(
  host4: string | undefined,
  host6: string | undefined,
): readonly string[] {
  const own4 = host4 === "10.0.2.100" ? "10.0.2.101" : "10.0.2.100";
  const own6 = host6 === subnet6.own ? `${subnet6.own.slice(0, -1)}1` : subnet6.own;
  if (host6 === undefined) return [own4];
  return host4 === undefined ? [own6] : [own4, own6];
}

export interface PastaRequest {
  readonly ports: readonly PortRequest[];
  /** Words of `--network pasta:A,B`; they come last, and what they set hb does not. */
  readonly options: readonly string[];
  /** Forward DNS queries for `pastaResolver`. */
  readonly forwardsDns: boolean;
  /** The machine has a way out. Without one pasta wants to be told which interface to go by. */
  readonly hasDefaultRoute: boolean;
  /** `ownAddresses`'. */
  readonly own: readonly string[];
}

/** Whether the user's options name the device inside, or may: pasta takes `-Iname` as well. */
function namesDevice(options: readonly string[]): boolean {
  return setBy(options)("-I", "--ns-ifname") || options.some((word) => word.startsWith("-I"));
}

/** Which options are set, whatever to. */
function setBy(options: readonly string[]): (...spellings: string[]) => boolean {
  const names = new Set(options.map((word) => word.replace(/=.*/s, "")));
  return (...spellings) => spellings.some((spelling) => names.has(spelling));
}

/** pasta's arguments, but for those about the process itself, which are the supervisor's. */
export function pastaArgs(request: PastaRequest): readonly string[] {
  const { options } = request;
  const sets = setBy(options);
  const args = ["--config-net"];
  // Its own choice is the host's name for it, which may be lo.
  if (!namesDevice(options)) args.push("--ns-ifname", deviceName);
  // podman's word for its opposite, which older versions of pasta do not have.
  if (!sets("--no-map-gw", "--map-gw", "--map-host-loopback")) args.push("--no-map-gw");
  if (
    !sets(
      "-a",
      "--address",
      "-g",
      "--gateway",
      "-n",
      "--netmask",
      "-4",
      "--ipv4-only",
      "-6",
      "--ipv6-only",
    )
  ) {
    for (const own of request.own) args.push(...addressArgs(own));
  }
  if (!request.hasDefaultRoute && !sets("-i", "--interface")) {
    // Its MAC address is zero, which pasta takes for none.
    args.push("--interface", "lo", "--mac-addr", "02:00:00:00:00:01");
  }
  if (request.forwardsDns && !sets("--dns-forward")) args.push("--dns-forward", pastaResolver);
  // pasta's own default would open every port that somebody listens on, both ways.
  for (const [short, long, protocol] of INWARD) {
    const specs = portSpecs(request.ports, protocol);
    if (specs.length > 0) args.push(...specs.flatMap((spec) => [long, spec]));
    else if (!sets(short, long)) args.push(long, "none");
  }
  for (const [short, long] of OUTWARD) if (!sets(short, long)) args.push(long, "none");
  return [...args, ...options.filter((word) => word !== "--map-gw")];
}

function addressArgs(own: string): readonly string[] {
  if (own.includes(":")) return ["--address", own, "--gateway", subnet6.gateway];
  const { prefix, gateway } = subnet4;
  return ["--address", own, "--netmask", prefix, "--gateway", gateway];
}

const INWARD: readonly [string, string, Protocol][] = [
  ["-t", "--tcp-ports", "tcp"],
  ["-u", "--udp-ports", "udp"],
];
const OUTWARD: readonly [string, string][] = [
  ["-T", "--tcp-ns"],
  ["-U", "--udp-ns"],
];

/** `ADDRESS/FIRST-LAST:FIRST-LAST`, one for each run of neighbours. */
function portSpecs(ports: readonly PortRequest[], protocol: Protocol): string[] {
  const wanted = ports.filter((port) => port.protocol === protocol);
  refuseTwoTargets(wanted);
  const specs: string[] = [];
  for (let start = 0; start < wanted.length; ) {
    let end = start;
    while (isNext(wanted[end], wanted[end + 1])) end++;
    const [first, last] = [wanted[start], wanted[end]];
    if (first !== undefined && last !== undefined) specs.push(portSpec(first, last));
    start = end + 1;
  }
  return specs;
}

function isNext(one: PortRequest | undefined, other: PortRequest | undefined): boolean {
  return (
    one !== undefined &&
    other !== undefined &&
    one.hostAddress === other.hostAddress &&
    one.hostPort + 1 === other.hostPort &&
    one.containerPort + 1 === other.containerPort
  );
}

function portSpec(first: PortRequest, last: PortRequest): string {
  const address = first.hostAddress === "" ? "" : `${first.hostAddress}/`;
  const host = words(first.hostPort, last.hostPort);
  return `${address}${host}:${words(first.containerPort, last.containerPort)}`;
}

function words(first: number, last: number): string {
  return first === last ? String(first) : `${first}-${last}`;
}

/** pasta keeps one distance per port of the host, whatever its address. */
function refuseTwoTargets(ports: readonly PortRequest[]): void {
  const targets = new Map<number, PortRequest>();
  for (const port of ports) {
    const other = targets.get(port.hostPort) ?? port;
    targets.set(port.hostPort, other);
    if (other.containerPort === port.containerPort) continue;
    throw new UsageError(
      `Cannot publish "${port.written}" beside "${other.written}": pasta takes port ` +
        `${port.hostPort} to one port of the container only`,
      { hint: "use different ports of the host" },
    );
  }
}
