/**
 * The networks of a store: networks/<NAME>/config.json. They outlive the bridges, which are there
 * only while a container is. hb0 is there without a file, and with one that changes it.
 */

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { checkNetworkName, defaultBridge } from "../container/network.ts";
import { HbError } from "../errors.ts";
import { routes } from "../host/network.ts";
import { isIPv4 } from "../ip.ts";
import { type StorePath, type StorePaths, within } from "../store/layout.ts";
import {
  addressAt,
  formatSubnet,
  freeSubnet,
  hostNumber,
  overlaps,
  parseSubnet,
  type Subnet,
  subnetAround,
  type TakenSubnet,
} from "./subnet.ts";

/** One network, as its file has it. */
export interface NetworkConfig {
  readonly name: string;
  readonly subnet: string;
  readonly gateway: string;
  readonly internal: boolean;
  /** RFC 3339; absent for hb0 as it is. */
  readonly createdAt?: string;
}

export interface NetworkRequest {
  readonly name: string;
  readonly subnet?: string;
  readonly gateway?: string;
  readonly internal: boolean;
}

const DEFAULT_SUBNET = "10.89.0.0/16";

/** The network `name`, if there is one. */
export function findNetwork(store: StorePaths, name: string): NetworkConfig | undefined {
  checkNetworkName(name);
  return readConfig(store, name) ?? (name === defaultBridge ? defaultNetwork() : undefined);
}

/** Every network, hb0 first. */
export function listNetworks(store: StorePaths): readonly NetworkConfig[] {
  const names = [...new Set([defaultBridge, ...namesIn(networksPath(store)).sort()])];
  return names.flatMap((name) => findNetwork(store, name) ?? []);
}

/** Makes a network; its bridge comes with its first container. */
export function createNetwork(store: StorePaths, request: NetworkRequest): NetworkConfig {
  const { name, internal } = request;
  checkNetworkName(name);
  const doing = `Cannot create the network "${name}"`;
  if (readConfig(store, name) !== undefined) {
    throw new HbError(`${doing}: there is one`, {
      hint: `see 'hb network inspect ${name}', or remove it with 'hb network rm ${name}'`,
    });
  }
  const isUp = networkInterfaces()[name] !== undefined;
  if (isUp && name !== defaultBridge) {
    throw new HbError(`${doing}: an interface of this machine is called that`, {
      hint: "choose another name",
    });
  }
  const taken = takenSubnets(store, name);
  const subnet = requestedSubnet(request) ?? freeSubnet(taken);
  const other = taken.find((each) => overlaps(each, subnet));
  if (other !== undefined) {
    throw new HbError(`${doing}: ${formatSubnet(subnet)} overlaps with ${other.what}`, {
      hint: "choose another with --subnet, or leave it out",
    });
  }
  const gateway = request.gateway ?? addressAt(subnet, 1);
  if (!isIPv4(gateway) || hostNumber(subnet, gateway) === undefined) {
    throw new HbError(`${doing}: the gateway ${gateway} is not in ${formatSubnet(subnet)}`);
  }
  const createdAt = new Date().toISOString();
  const config = { name, subnet: formatSubnet(subnet), gateway, internal, createdAt };
  writeConfig(store, config);
  return config;
}

/** The network of `bridge:NAME --ip`, made with the /16 around that address if there is none. */
export function networkFor(store: StorePaths, name: string, ip: string | undefined): NetworkConfig {
  const found = findNetwork(store, name);
  if (found !== undefined) return found;
  if (ip === undefined || !isIPv4(ip)) {
    throw new HbError(`Cannot use the network "${name}": there is none`, {
      hint: `create it with 'hb network create ${name}', or see 'hb network ls'`,
    });
  }
  const subnet = formatSubnet(subnetAround(ip, 16));
  return createNetwork(store, { name, subnet, internal: false });
}

/** Forgets a network. */
export function removeNetwork(store: StorePaths, name: string): void {
  rmSync(within(networksPath(store), name), { recursive: true, force: true });
}

/** A default that somebody changed is a created network, too. */
export function isCreated({ createdAt }: NetworkConfig): boolean {
  return createdAt !== undefined;
}

function defaultNetwork(): NetworkConfig {
  const subnet = parseSubnet(DEFAULT_SUBNET, "--subnet");
  return {
    name: defaultBridge,
    subnet: DEFAULT_SUBNET,
    gateway: addressAt(subnet, 1),
    internal: false,
  };
}

function requestedSubnet({ subnet }: NetworkRequest): Subnet | undefined {
  return subnet === undefined ? undefined : parseSubnet(subnet, "--subnet");
}

/** What the machine's routes and the other networks have; the bridge's own route is no obstacle. */
function takenSubnets(store: StorePaths, name: string): readonly TakenSubnet[] {
  const networks = listNetworks(store)
    .filter((network) => network.name !== name)
    .map((network): TakenSubnet => {
      const what = `the network ${network.name} (${network.subnet})`;
      return { what, ...parseSubnet(network.subnet, "--subnet") };
    });
  const ours = new Set([name, ...networks.map(({ what }) => what.split(" ")[2])]);
  const others = routes().flatMap((route): TakenSubnet[] => {
    if (route.mask === 0 || ours.has(route.name)) return [];
    const prefix = 32 - Math.log2(2 ** 32 - route.mask);
    const subnet = { first: route.destination, prefix };
    return [{ what: `${formatSubnet(subnet)} of interface ${route.name}`, ...subnet }];
  });
  return [...networks, ...others];
}

function networksPath(store: StorePaths): StorePath {
  return within(store.root, "networks");
}

function readConfig(store: StorePaths, name: string): NetworkConfig | undefined {
  const file = `${networksPath(store)}/${name}/config.json`;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { subnet, gateway, internal, createdAt } = JSON.parse(text) as NetworkConfig;
    parseSubnet(subnet, "subnet");
    return { name, subnet, gateway, internal: internal === true, createdAt: createdAt ?? "" };
  } catch (error) {
    throw new HbError(`Cannot read the network "${name}" from ${file}`, {
      cause: error,
      hint: `remove it with 'hb network rm --force ${name}'`,
    });
  }
}

function writeConfig(store: StorePaths, config: NetworkConfig): void {
  const directory = within(networksPath(store), config.name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const staged = `${directory}/config.${crypto.randomUUID()}`;
  writeFileSync(staged, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(staged, `${directory}/config.json`);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
