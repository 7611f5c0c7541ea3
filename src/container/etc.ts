/** A container's /etc/hosts, /etc/hostname and /etc/resolv.conf, for each kind of network. Pure. */

import { HbError, UsageError } from "../errors.ts";
import { isIPAddress, isIPv4 } from "../ip.ts";
import type { HostFacts } from "./facts.ts";
import type { NetworkChoice } from "./network.ts";
import type { PlannedFile } from "./plan.ts";

/** Behind pasta, queries to this address go to the host's own resolver, also on its loopback. */
export const pastaResolver = "10.0.2.3";

export interface NameWishes {
  readonly network?: string;
  readonly hostname?: string;
  readonly addHost: readonly string[];
  readonly dns: readonly string[];
  readonly dnsOption: readonly string[];
  readonly dnsSearch: readonly string[];
}

type Facts = Pick<HostFacts, "hostname" | "hosts" | "resolvConf" | "resolvedUpstreams">;

/**
 * The container's name for itself: `--hostname`, else the first 12 digits of its id, but the host's
 * own name where `--network host` was written (docker does so, since both are one on the network).
 */
export function chooseHostname(wishes: NameWishes, id: string, facts: Facts): string {
  const { hostname, network } = wishes;
  if (hostname === undefined || hostname === "") {
    return network === "host" ? facts.hostname : id.slice(0, 12);
  }
  // sethostname(2) takes 64 bytes; the letters are RFC 1123's and the underscore docker allows.
  if (/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?$/.test(hostname)) return hostname;
  throw new UsageError(`Cannot use --hostname "${hostname}"`, {
    hint: "use at most 64 letters, digits, hyphens and dots",
  });
}

/** The three files. */
export function nameFiles(
  wishes: NameWishes,
  choice: NetworkChoice,
  hostname: string,
  facts: Facts,
): readonly PlannedFile[] {
  return [
    { destination: "/etc/hosts", content: hostsFile(wishes, choice, hostname, facts) },
    { destination: "/etc/hostname", content: `${hostname}\n` },
    { destination: "/etc/resolv.conf", content: resolvConf(wishes, choice, facts).content },
  ];
}

/** moby's libnetwork/etchosts. */
const LOCALHOST =
  "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n" +
  "ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/** podman's name for the host and docker's. */
const HOST_NAMES = ["host.containers.internal", "host.docker.internal"];

/**
 * `--add-host` lines come first, because the first match counts. The container's own name has its
 * address; without one it has a loopback address of its own, as Debian does it.
 */
export function hostsFile(
  wishes: Pick<NameWishes, "addHost">,
  choice: NetworkChoice,
  hostname: string,
  facts: Facts,
): string {
  const toHost = hostAddress(choice);
  const added = wishes.addHost.map((text) => addedHost(text, toHost, choice)).join("");
  const base = `${added}${baseHosts(choice, facts)}`;
  const [short] = hostname.split(".");
  const names = short === hostname ? hostname : `${hostname} ${short}`;
  const internal = HOST_NAMES.filter((name) => !namesHost(base, name)).join(" ");
  const host = toHost === undefined || internal === "" ? "" : `${toHost}\t${internal}\n`;
  const own = namesHost(base, hostname)
    ? ""
    : ownAddresses(choice)
        .map((address) => `${address}\t${names}\n`)
        .join("");
  return `${base}${host}${own}`;
}

function baseHosts(choice: NetworkChoice, facts: Facts): string {
  if (choice.mode === "host" && facts.hosts !== "") return ensureNewline(facts.hosts);
  const joined = choice.mode === "joined" ? choice.files?.hosts : undefined;
  return joined === undefined ? LOCALHOST : ensureNewline(joined);
}

function ownAddresses(choice: NetworkChoice): readonly string[] {
  if (choice.mode === "pasta" && choice.addresses.length > 0) return choice.addresses;
  if (choice.mode !== "bridge") return ["127.0.1.1"];
  const { address4, address6 } = choice.bridge;
  return [address4, address6].flatMap((text) => text?.replace(/\/.*/, "") ?? []);
}

/** Where the container finds the host: with the host's own network that is loopback. */
function hostAddress(choice: NetworkChoice): string | undefined {
  if (choice.mode === "host") return "127.0.0.1";
  if (choice.mode === "pasta") return choice.hostAddress;
  return choice.mode === "bridge" ? choice.bridge.gateway4 : undefined;
}

function namesHost(hosts: string, hostname: string): boolean {
  return hosts.split("\n").some((line) => {
    const [, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return names.includes(hostname);
  });
}

/** `NAME:IP` or `NAME=IP`; `host-gateway` is the host. */
function addedHost(text: string, toHost: string | undefined, { mode }: NetworkChoice): string {
  const [, name = "", value = ""] = /^([^=:]+)[=:](.+)$/.exec(text) ?? [];
  const address = value.replace(/^\[(.+)\]$/, "$1");
  if (name === "" || /\s/.test(name) || (address !== "host-gateway" && !isIPAddress(address))) {
    throw new UsageError(`Cannot use --add-host "${text}"`, {
      hint: "write it as NAME:ADDRESS, for example db:10.0.0.7",
    });
  }
  if (address !== "host-gateway") return `${address}\t${name}\n`;
  if (toHost !== undefined) return `${toHost}\t${name}\n`;
  const why = mode === "none" ? "--network none has no way to the host" : "no way to the host";
  throw new HbError(`Cannot use --add-host "${text}": ${why}`);
}

export interface ResolverFile {
  readonly content: string;
  /** Something in it leads to `pastaResolver`. */
  readonly forwards: boolean;
  readonly notice?: string;
}

/**
 * The host's resolv.conf, with what `--dns`, `--dns-search` and `--dns-option` replace.
 *
 * A resolver on the host's loopback is out of a container's reach: pasta forwards to it, and on a
 * bridge systemd-resolved's upstreams stand in for it.
 */
export function resolvConf(
  wishes: Pick<NameWishes, "dns" | "dnsOption" | "dnsSearch">,
  choice: Pick<NetworkChoice, "mode">,
  facts: Facts,
): ResolverFile {
  for (const address of wishes.dns) {
    if (isIPAddress(address.replace(/%.*$/, ""))) continue;
    throw new UsageError(`Cannot use --dns "${address}": it is no IP address`);
  }
  const asked = wishes.dns.length + wishes.dnsSearch.length + wishes.dnsOption.length > 0;
  if (choice.mode === "host" && !asked) return { content: facts.resolvConf, forwards: false };
  const joined = joinedResolvers(choice);
  if (joined !== undefined && !asked) return { content: joined, forwards: false };
  if (choice.mode === "none" && !asked) {
    return { content: "# --network none: no name server\n", forwards: false };
  }
  const text = joined ?? facts.resolvConf;
  const { servers, notice } =
    wishes.dns.length > 0 ? { servers: wishes.dns } : reachable(choice, serversIn(text), facts);
  const search = wishes.dnsSearch.length > 0 ? wishes.dnsSearch : lastOf("search", text);
  const options = wishes.dnsOption.length > 0 ? wishes.dnsOption : lastOf("options", text);
  const lines = servers.map((server) => `nameserver ${server}\n`);
  // `--dns-search .` is docker's way to have none.
  const domains = search.filter((domain) => domain !== ".");
  if (domains.length > 0) lines.push(`search ${domains.join(" ")}\n`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}\n`);
  return {
    content: lines.join(""),
    forwards: wishes.dns.length === 0 && servers.includes(pastaResolver),
    ...(notice === undefined ? {} : { notice }),
  };
}

function joinedResolvers(choice: Pick<NetworkChoice, "mode">): string | undefined {
  const { files } = choice as { readonly files?: { readonly resolvConf?: string } };
  return choice.mode === "joined" ? files?.resolvConf : undefined;
}

/** Which of the host's servers the container can use, or what stands in for them. */
function reachable(
  { mode }: Pick<NetworkChoice, "mode">,
  servers: readonly string[],
  facts: Facts,
): { readonly servers: readonly string[]; readonly notice?: string } {
  if (mode === "none") return { servers: [] };
  if (mode === "host" || !servers.some(isLocal)) return { servers };
  if (mode === "pasta") {
    return { servers: [...new Set(servers.map((s) => (isLocal(s) ? pastaResolver : s)))] };
  }
  const others = servers.filter((server) => !isLocal(server));
  if (others.length > 0) return { servers: others };
  const isStub = servers.some((server) => /^127\.0\.0\.5[34]$/.test(server));
  const upstreams = isStub ? serversIn(facts.resolvedUpstreams).filter((s) => !isLocal(s)) : [];
  if (upstreams.length > 0) return { servers: upstreams };
  return {
    servers: [],
    notice: `the host's name server ${servers[0]} is out of a container's reach; use --dns ADDRESS`,
  };
}

/** Loopback, and link-local addresses, which belong to an interface of the host. */
function isLocal(server: string): boolean {
  return isIPv4(server) ? server.startsWith("127.") : /^(::1$|fe80:)/i.test(server);
}

function serversIn(text: string): readonly string[] {
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, server = ""]) => server);
}

/** The words of the last such line, which is the one resolv.conf(5) lets count. */
function lastOf(keyword: "search" | "options", text: string): readonly string[] {
  const lines = [...text.matchAll(new RegExp(`^\\s*${keyword}\\s+(.*)$`, "gm"))];
  const words = lines.at(-1)?.[1]?.trim() ?? "";
  return words === "" ? [] : words.split(/\s+/);
}

function ensureNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
