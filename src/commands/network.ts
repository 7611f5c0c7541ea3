/** `hb network`: the networks that containers can be on beside the default one. */

import { networkInterfaces } from "node:os";
import { HbError } from "../errors.ts";
import {
  createNetwork,
  findNetwork,
  isCreated,
  listNetworks,
  type NetworkConfig,
  removeNetwork,
} from "../network/config.ts";
import { type Lease, Leases, networksWithState, sweepDeadLeases } from "../network/leases.ts";
import type { NetworkOptions } from "../options.ts";
import { formatTable, printNotice, printResult } from "../output.ts";
import { createStore, currentStore, type StorePaths } from "../store/layout.ts";

/** Does what the verb says. */
export async function network(options: NetworkOptions): Promise<number> {
  const store = currentStore();
  if (process.geteuid?.() !== 0) {
    throw new HbError(`Cannot use hb network ${options.verb}: only root can make a bridge`, {
      hint: "run it as root; containers of other users are behind pasta, each on its own",
    });
  }
  createStore(store, 0);
  const resisting = sweepDeadLeases();
  if (resisting !== undefined) printNotice(resisting.message);
  switch (options.verb) {
    case "create":
      printResult(createNetwork(store, options).name);
      return 0;
    case "ls":
      return list(store, options);
    case "rm":
      for (const name of options.names) remove(store, name, options.force);
      return 0;
    case "inspect": {
      const found = options.names.map((name) => describe(expectNetwork(store, name)));
      printResult(JSON.stringify(found, undefined, 4));
      return 0;
    }
    case "prune":
      return prune(store);
  }
}

function list(
  store: StorePaths,
  { quiet, format }: Extract<NetworkOptions, { readonly verb: "ls" }>,
): number {
  const networks = listNetworks(store);
  if (quiet) for (const { name } of networks) printResult(name);
  else if (format === "json") {
    for (const each of networks) printResult(JSON.stringify(describe(each)));
  } else {
    const rows = networks.map((each) => {
      const { name, subnet, gateway, internal } = each;
      return [name, subnet, gateway, internal ? "yes" : "no", String(leasesOf(name).length)];
    });
    const headings = ["NETWORK", "SUBNET", "GATEWAY", "INTERNAL", "CONTAINERS"];
    for (const line of formatTable(headings, rows)) printResult(line);
  }
  return 0;
}

function remove(store: StorePaths, name: string, force: boolean): void {
  const doing = `Cannot remove the network "${name}"`;
  // A file nobody can read is no reason to keep it.
  const config = force ? undefined : findNetwork(store, name);
  if (!force && (config === undefined || !isCreated(config))) {
    throw new HbError(`${doing}: ${config === undefined ? "there is none" : "it is always there"}`);
  }
  const [lease] = leasesOf(name);
  if (lease !== undefined) {
    throw new HbError(`${doing}: the container ${lease.id.slice(0, 12)} is on it`, {
      hint: "stop its containers first",
    });
  }
  removeNetwork(store, name);
  printResult(name);
}

function prune(store: StorePaths): number {
  const unused = listNetworks(store).filter(
    (config) => isCreated(config) && leasesOf(config.name).length === 0,
  );
  for (const { name } of unused) {
    removeNetwork(store, name);
    printResult(name);
  }
  return 0;
}

function expectNetwork(store: StorePaths, name: string): NetworkConfig {
  const config = findNetwork(store, name);
  if (config !== undefined) return config;
  throw new HbError(`No such network: ${name}`, { hint: "see 'hb network ls'" });
}

/** docker's words, as far as they mean the same here. */
function describe(config: NetworkConfig): Record<string, unknown> {
  const { name, subnet, gateway, internal, createdAt } = config;
  const containers = leasesOf(name).map(({ id, names, address, ports }) => {
    return [id, { Name: names[0] ?? "", IPv4Address: address, Ports: ports }];
  });
  return {
    Name: name,
    Driver: "bridge",
    Created: createdAt ?? "",
    Internal: internal,
    IPAM: { Config: [{ Subnet: subnet, Gateway: gateway }] },
    Interface: { Name: name, Up: networkInterfaces()[name] !== undefined },
    Containers: Object.fromEntries(containers),
  };
}

/** Looking at a network must not make its directory. */
function leasesOf(name: string): readonly Lease[] {
  if (!networksWithState().includes(name)) return [];
  using leases = Leases.openAsIs(name);
  return leases.held;
}
