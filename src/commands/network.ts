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
import { type Lease, Leases, sweepDeadLeases } from "../network/leases.ts";
import { networksWithState } from "../network/runtime.ts";
import type { NetworkOptions } from "../options.ts";
import { type Column, formatDocuments, formatListing } from "../output/listing.ts";
import { formatTime, printNotice, printResult } from "../output.ts";
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
      for (const text of formatDocuments(found, options.format ?? "")) printResult(text);
      return 0;
    }
    case "prune":
      return prune(store);
  }
}

/** One network in docker's words; its name is its id, as nothing else is needed to find it. */
interface NetworkRow {
  readonly ID: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly IPv4: string;
  readonly IPv6: string;
  readonly Internal: string;
  readonly Subnet: string;
  readonly Gateway: string;
  readonly Containers: string;
  readonly Labels: string;
  readonly CreatedAt: string;
}

const columns: readonly Column<NetworkRow>[] = [
  { heading: "NETWORK", field: "Name" },
  { heading: "SUBNET", field: "Subnet" },
  { heading: "GATEWAY", field: "Gateway" },
  { heading: "INTERNAL", field: "Internal" },
  { heading: "CONTAINERS", field: "Containers" },
];

const headings: Readonly<Record<keyof NetworkRow, string>> = {
  ID: "NETWORK ID",
  Name: "NAME",
  Driver: "DRIVER",
  Scope: "SCOPE",
  IPv4: "IPV4",
  IPv6: "IPV6",
  Internal: "INTERNAL",
  Subnet: "SUBNET",
  Gateway: "GATEWAY",
  Containers: "CONTAINERS",
  Labels: "LABELS",
  CreatedAt: "CREATED AT",
};

function list(
  store: StorePaths,
  { quiet, format }: Extract<NetworkOptions, { readonly verb: "ls" }>,
): number {
  const rows = listNetworks(store).map(summarize);
  // As docker has it, a format says more than --quiet.
  const shown = quiet && format === "table" ? "{{.Name}}" : format;
  for (const line of formatListing(rows, shown, columns, headings)) printResult(line);
  return 0;
}

function summarize({ name, subnet, gateway, internal, createdAt }: NetworkConfig): NetworkRow {
  return {
    ID: name,
    Name: name,
    Driver: "bridge",
    Scope: "local",
    IPv4: "true",
    IPv6: "false",
    Internal: String(internal),
    Subnet: subnet,
    Gateway: gateway,
    Containers: String(leasesOf(name).length),
    Labels: "",
    CreatedAt: createdAt === undefined ? "" : formatTime(new Date(createdAt)),
  };
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
