/** `--network bridge`: an address of the network for a container, held by its lease. */

import { existsSync, readFileSync } from "node:fs";
import { hostsFile, resolvConf } from "../container/etc.ts";
import { defaultBridge, type NetworkChoice, type NetworkIntent } from "../container/network.ts";
import type { Bridge, Publish } from "../container/plan.ts";
import { formatPublish, type PortRequest } from "../container/ports.ts";
import { HbError } from "../errors.ts";
import { type NetworkConfig, networkFor } from "./config.ts";
import { type GrantedNetwork, type GrantRequest, grantPorts } from "./grant.ts";
import { hostsPath, writeHosts } from "./hosts.ts";
import { chooseAddress, type Lease, Leases, statePath } from "./leases.ts";
import {
  address6At,
  addressAt,
  hostNumber,
  parseSubnet,
  type Subnet,
  uniqueLocalPrefix,
} from "./subnet.ts";

/** Takes an address, and the ports, which only the leases know of: no socket holds them. */
export function grantBridge(
  request: GrantRequest,
  intent: Extract<NetworkIntent, { readonly mode: "bridge" }>,
): GrantedNetwork {
  const { facts, wishes, container } = request;
  const config = networkFor(request.store, intent.name, intent.ip);
  const { ports, chosen } = grantPorts(intent.ports);
  const subnet = parseSubnet(config.subnet, "--subnet");
  refuseOutside(config, subnet, intent.ip);
  const state = statePath(config.name);
  using leases = Leases.open(config.name);
  refuseOtherSubnet(config, subnet, leases.held);
  refusePortsInUse(ports, leases.held);
  const number = chooseAddress(subnet, intent.ip, { ...leases, gateway: config.gateway });
  if (number === undefined) {
    throw new HbError(`Cannot find a free address in ${config.subnet} of ${config.name}`);
  }
  const bridge = bridgeOf(config, subnet, { number, ports, state, mac: intent.mac });
  const lease = leases.take({
    address: addressAt(subnet, number),
    id: container.id,
    names: namesOf(container),
    ports: ports.map(portKey),
  });
  const named = config.name !== defaultBridge;
  const choice: NetworkChoice = {
    mode: "bridge",
    bridge,
    ...(named ? { hostsFile: hostsPath(state, lease.address) } : {}),
  };
  const giveBack = () => {
    using again = Leases.openAsIs(config.name);
    again.giveBack(lease);
  };
  try {
    const content = hostsFile(wishes, choice, container.hostname, facts);
    if (named) writeHosts(state, { lease, content }, leases.held);
  } catch (error) {
    leases.giveBack(lease);
    throw error;
  }
  const { notice } = resolvConf(wishes, choice, facts);
  const notices = notice === undefined ? [] : [notice];
  return { choice, keep: [lease.fd], notices, chosen, giveBack };
}

interface Place {
  readonly number: number;
  readonly ports: readonly PortRequest[];
  readonly state: string;
  readonly mac: string | undefined;
}

function bridgeOf(config: NetworkConfig, subnet: Subnet, place: Place): Bridge {
  const { number, ports, state, mac } = place;
  const prefix6 = hasIPv6() ? uniqueLocalPrefix(globalId(config.name)) : undefined;
  const gateway = hostNumber(subnet, config.gateway) ?? 1;
  return {
    name: config.name,
    address4: `${addressAt(subnet, number)}/${subnet.prefix}`,
    gateway4: config.gateway,
    ...(prefix6 === undefined
      ? {}
      : {
          address6: `${address6At(prefix6, number)}/64`,
          gateway6: address6At(prefix6, gateway),
        }),
    ...(mac === undefined ? {} : { mac }),
    internal: config.internal,
    publish: ports.map(({ written: _, ...publish }): Publish => publish),
    state,
  };
}

/** RFC 4193's global id: this machine's own, the same for every hb on it. */
function globalId(name: string): string {
  const machine = existsSync("/etc/machine-id") ? readFileSync("/etc/machine-id", "latin1") : "";
  return new Bun.CryptoHasher("sha256").update(`${machine.trim()} ${name}`).digest("hex");
}

function hasIPv6(): boolean {
  const file = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
  return existsSync(file) && readFileSync(file, "latin1").trim() === "0";
}

function refuseOutside(config: NetworkConfig, subnet: Subnet, ip: string | undefined): void {
  if (ip === undefined) return;
  const isAddress = /^\d+(\.\d+){3}$/.test(ip);
  if (isAddress && hostNumber(subnet, ip) !== undefined) return;
  const why = isAddress ? `it is not in ${config.subnet} of ${config.name}` : "it is no address";
  throw new HbError(`Cannot use --ip ${ip}: ${why}`, {
    hint: "use another address, or leave --ip out",
  });
}

/** Bridges are the machine's: another store may have given the network another subnet. */
function refuseOtherSubnet(config: NetworkConfig, subnet: Subnet, held: readonly Lease[]): void {
  const stray = held.find(({ address }) => hostNumber(subnet, address) === undefined);
  if (stray === undefined) return;
  throw new HbError(
    `Cannot use the network ${config.name}: it is up with another subnet, ` +
      `${stray.id.slice(0, 12)} has ${stray.address}`,
    { hint: "wait for its containers to end, or use another network" },
  );
}

/** NAT takes a port before any socket sees it, so another container's shows nowhere else. */
function refusePortsInUse(ports: readonly PortRequest[], held: readonly Lease[]): void {
  for (const port of ports) {
    const keys = new Set([portKey(port), portKey({ ...port, hostAddress: "" })]);
    const isTaken = (taken: string) =>
      keys.has(taken) || (port.hostAddress === "" && taken.endsWith(portKey(port)));
    const holder = held.find((lease) => lease.ports.some(isTaken));
    if (holder === undefined) continue;
    throw new HbError(
      `Cannot publish "${port.written}": the container ${holder.id.slice(0, 12)} has ` +
        `${formatPublish(port).replace(/ ->.*/, "")}`,
      { hint: "use another port, or leave the host's out for a free one" },
    );
  }
}

function portKey({ hostAddress, hostPort, protocol }: Publish): string {
  return `${hostAddress}|${hostPort}/${protocol}`;
}

function namesOf({ id, name, hostname }: GrantRequest["container"]): string[] {
  const names = [name, hostname, id.slice(0, 12)].filter((each) => each !== undefined);
  return [...new Set(names)];
}
