/**
 * `--network`: what was asked for, and the ladder where nothing was. Pure.
 *
 * An ordinary user has pasta, else the host's network; root has a bridge, else pasta, else the
 * host's. A lower rung than the first is taken with one notice, and never for who named a mode or
 * ports.
 */

import { HbError, UsageError } from "../errors.ts";
import type { HostFacts } from "./facts.ts";
import type { Bridge, IdMapping, Namespace, Network, Pasta } from "./plan.ts";
import { type PortRequest, parsePorts } from "./ports.ts";

/** The network that is there without anybody having made it. */
export const defaultBridge = "hb0";

export interface NetworkWishes {
  readonly network?: string;
  readonly publish: readonly string[];
  readonly publishAll: boolean;
  readonly ip?: string;
  readonly macAddress?: string;
}

/** What a run shall have, before addresses and random ports are dealt out. */
export type NetworkIntent =
  | { readonly mode: "host" | "none"; readonly notice?: string }
  | {
      readonly mode: "pasta";
      readonly path: string;
      readonly options: readonly string[];
      readonly ports: readonly PortRequest[];
      readonly notice?: string;
    }
  | {
      readonly mode: "bridge";
      readonly name: string;
      readonly ip?: string;
      readonly mac?: string;
      readonly ports: readonly PortRequest[];
    }
  | { readonly mode: "container"; readonly container: string }
  | { readonly mode: "namespace"; readonly path: string };

/** What a run has: what the plan and the files in /etc are made of. */
export type NetworkChoice =
  | { readonly mode: "host" | "none" }
  | {
      readonly mode: "pasta";
      readonly pasta: Pasta;
      /** The container's own, and where it finds the host; none where there is no such way. */
      readonly addresses: readonly string[];
      readonly hostAddress?: string;
    }
  | {
      readonly mode: "bridge";
      readonly bridge: Bridge;
      /** A file that is kept current, to be mounted as /etc/hosts; else the file is the plan's. */
      readonly hostsFile?: string;
    }
  | {
      readonly mode: "joined";
      readonly namespaces: readonly Namespace[];
      /** The groups of a user namespace that is joined and was not made by hb. */
      readonly gidMappings?: readonly IdMapping[];
      /** The files of the container whose namespace it is. */
      readonly files?: JoinedFiles;
    };

export interface JoinedFiles {
  readonly hosts?: string;
  readonly resolvConf?: string;
}

type Facts = Pick<HostFacts, "identity" | "network">;

/** The network that is asked for, or the best there is. */
export function decideNetwork(
  wishes: NetworkWishes,
  exposed: readonly string[],
  facts: Facts,
): NetworkIntent {
  const { network, publish, publishAll } = wishes;
  const ports = parsePorts(publish, { all: publishAll, exposed });
  const [mode = "", ...rest] = (network ?? "").split(":");
  const argument = network?.includes(":") ? rest.join(":") : undefined;
  const intent =
    network === undefined
      ? chooseDefault(wishes, ports, facts)
      : (named(mode, argument, wishes, ports, facts) ?? unknownNetwork(network));
  refuseUseless(wishes, intent);
  return intent;
}

function named(
  mode: string,
  argument: string | undefined,
  wishes: NetworkWishes,
  ports: readonly PortRequest[],
  facts: Facts,
): NetworkIntent | undefined {
  if ((mode === "host" || mode === "none") && argument === undefined) return { mode };
  if (mode === "pasta") {
    const defect = pastaDefect(facts);
    if (defect !== undefined) {
      throw new HbError(`Cannot use --network pasta: ${defect.found}`, { hint: defect.fix });
    }
    const options = argument === undefined ? [] : argument.split(",").filter((word) => word !== "");
    return { mode, path: facts.network.pasta ?? "pasta", options, ports };
  }
  if (mode === "bridge") {
    return bridgeIntent(argument ?? defaultBridge, wishes, ports, facts);
  }
  if (mode === "container" && argument) return { mode, container: argument };
  if (mode === "ns" && argument?.startsWith("/")) return { mode: "namespace", path: argument };
  // docker's way to name a created network.
  const isName = argument === undefined && /^[A-Za-z0-9_.-]{1,15}$/.test(mode);
  return isName && isRoot(facts) ? bridgeIntent(mode, wishes, ports, facts) : undefined;
}

function bridgeIntent(
  name: string,
  wishes: NetworkWishes,
  ports: readonly PortRequest[],
  facts: Facts,
): NetworkIntent {
  if (!isRoot(facts)) {
    throw new HbError(`Cannot use --network bridge: only root can make a bridge`, {
      hint: "run hb as root, or use --network pasta",
    });
  }
  checkNetworkName(name);
  return {
    mode: "bridge",
    name,
    ports,
    ...(wishes.ip === undefined ? {} : { ip: wishes.ip }),
    ...(wishes.macAddress === undefined ? {} : { mac: parseMac(wishes.macAddress) }),
  };
}

/** A network's name is its bridge's, too: what an interface may be called (netdevice(7)). */
export function checkNetworkName(name: string): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(name)) return;
  throw new UsageError(`Cannot call a network "${name}"`, {
    hint: "use 1 to 15 letters, digits, underscores, hyphens and dots",
  });
}

function parseMac(text: string): string {
  const mac = text.toLowerCase().replaceAll("-", ":");
  const [first = ""] = mac.split(":");
  const isAddress = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) && mac !== "00:00:00:00:00:00";
  if (isAddress && (Number.parseInt(first, 16) & 1) === 0) return mac;
  throw new UsageError(`Cannot use --mac-address "${text}": it is no address of one machine`, {
    hint: "write it as 02:42:ac:11:00:02, the first number even",
  });
}

function chooseDefault(
  wishes: NetworkWishes,
  ports: readonly PortRequest[],
  facts: Facts,
): NetworkIntent {
  const wantsBridge = wishes.ip !== undefined || wishes.macAddress !== undefined;
  const root = isRoot(facts);
  if (root && (facts.network.canBridge || wantsBridge)) {
    return bridgeIntent(defaultBridge, wishes, ports, facts);
  }
  const lacksBridge = "this root may not set up networks";
  const defect = pastaDefect(facts);
  if (defect === undefined) {
    const notice = root ? { notice: `${lacksBridge}: the container is behind pasta` } : {};
    return { mode: "pasta", path: facts.network.pasta ?? "pasta", options: [], ports, ...notice };
  }
  if (ports.length > 0) {
    throw new HbError(`Cannot publish "${ports[0]?.written}": ${defect.found}`, {
      hint: defect.fix,
    });
  }
  const why = root ? `${lacksBridge}, and ${defect.found}` : defect.found;
  return {
    mode: "host",
    notice: `${why}: the container shares the host's network; ${defect.fix}, or say --network host`,
  };
}

function pastaDefect({ network }: Facts): { found: string; fix: string } | undefined {
  if (network.pasta === undefined) {
    return { found: "pasta is not installed", fix: `install it with '${network.installPasta}'` };
  }
  if (network.hasTun) return undefined;
  return { found: "/dev/net/tun cannot be opened", fix: "load it with 'sudo modprobe tun'" };
}

function isRoot({ identity }: Facts): boolean {
  return identity.uidMappings.length === 0;
}

function unknownNetwork(network: string): never {
  throw new UsageError(`Cannot use --network "${network}"`, {
    hint: "use pasta[:OPTIONS], bridge[:NAME], host, none, container:NAME or ns:/PATH",
  });
}

/** Flags that mean nothing in a mode are mistakes: saying nothing would let a port seem open. */
function refuseUseless(wishes: NetworkWishes, intent: NetworkIntent): void {
  const { publish, publishAll, network } = wishes;
  const [first] = publish;
  const publishes = first !== undefined || publishAll;
  const hasPorts = intent.mode === "pasta" || intent.mode === "bridge";
  if (publishes && !hasPorts) {
    const flag = first === undefined ? "--publish-all" : `-p ${first}`;
    const why =
      intent.mode === "host"
        ? "the container's ports are the host's already"
        : intent.mode === "none"
          ? "nothing leads into that network"
          : "that network is set up by somebody else";
    throw new UsageError(`Cannot use ${flag} with --network ${network}: ${why}`, {
      hint: "leave one of the two out",
    });
  }
  if (intent.mode === "bridge") return;
  const flag = wishes.ip === undefined ? "--mac-address" : "--ip";
  if (wishes.ip === undefined && wishes.macAddress === undefined) return;
  throw new UsageError(`Cannot use ${flag} without a bridge network`, {
    hint: "use --network bridge as root, or leave it out",
  });
}

/** Whether the container's network namespace is the host's. */
export function isHostNetwork({ mode }: NetworkChoice): boolean {
  return mode === "host";
}

/** The plan's words for the network. */
export function networkOf(choice: NetworkChoice): { readonly network?: Network } {
  if (choice.mode === "pasta") return { network: { pasta: choice.pasta } };
  if (choice.mode === "bridge") return { network: { bridge: choice.bridge } };
  return {};
}

/**
 * docker's settings of a namespace of its own: any user may listen on any port, and ping.
 * A group range may name only groups that the namespace maps.
 */
export function networkSysctls(
  choice: NetworkChoice,
  { identity }: Pick<HostFacts, "identity">,
): Readonly<Record<string, string>> {
  if (choice.mode === "host" || choice.mode === "joined") return {};
  const mapped = identity.gidMappings.map(({ containerID, size }) => containerID + size - 1);
  const last = mapped.length === 0 ? 2147483647 : Math.max(...mapped);
  const hasIPv6 = choice.mode === "pasta" && choice.addresses.some((each) => each.includes(":"));
  return {
    // Nobody else is on pasta's link; looking for others first makes IPv6 two seconds late.
    ...(hasIPv6 ? { "net.ipv6.conf.default.accept_dad": "0" } : {}),
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": `0 ${last}`,
  };
}
