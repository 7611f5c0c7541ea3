/** `--network`, and the files in /etc that go with it. Pure. */

import { HbError, UsageError } from "../errors.ts";
import { isIPAddress } from "../ip.ts";
import type { HostFacts } from "./facts.ts";
import type { PlannedFile } from "./plan.ts";

/** `host`: the machine's own network. `none`: a namespace with nothing but loopback. */
export type NetworkMode = "host" | "none";

export interface NetworkWishes {
  readonly network?: string;
  readonly hostname?: string;
  readonly addHost: readonly string[];
  readonly dns: readonly string[];
  readonly dnsOption: readonly string[];
  readonly dnsSearch: readonly string[];
}

type Facts = Pick<HostFacts, "hostname" | "hosts" | "resolvConf">;

/** The network a run gets. */
export function parseNetwork(text: string | undefined): NetworkMode {
  if (text === undefined || text === "host" || text === "none") return text ?? "host";
  throw new UsageError(`Cannot use --network "${text}": this version has only none and host`, {
    hint: "leave it out for the host's network, or use --network none",
  });
}

/**
 * The container's name for itself: `--hostname`, else the first 12 digits of its id, but the host's
 * own name where `--network host` was written (docker does so, since both are one on the network).
 */
export function chooseHostname(wishes: NetworkWishes, id: string, facts: Facts): string {
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

/** /etc/hosts, /etc/hostname and /etc/resolv.conf. */
export function networkFiles(
  wishes: NetworkWishes,
  hostname: string,
  facts: Facts,
): readonly PlannedFile[] {
  const mode = parseNetwork(wishes.network);
  return [
    { destination: "/etc/hosts", content: hostsFile(wishes, mode, hostname, facts) },
    { destination: "/etc/hostname", content: `${hostname}\n` },
    { destination: "/etc/resolv.conf", content: resolvConf(wishes, mode, facts) },
  ];
}

/** moby's libnetwork/etchosts. */
const LOCALHOST =
  "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n" +
  "ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/**
 * `--add-host` lines come before the host's, because the first match counts. The container's own
 * name is last, on a loopback address of its own as Debian does it.
 */
function hostsFile(
  wishes: NetworkWishes,
  mode: NetworkMode,
  hostname: string,
  facts: Facts,
): string {
  const added = wishes.addHost.map((text) => addedHost(text, mode)).join("");
  const host = mode === "host" && facts.hosts !== "" ? ensureNewline(facts.hosts) : LOCALHOST;
  const [short] = hostname.split(".");
  const names = short === hostname ? hostname : `${hostname} ${short}`;
  return `${added}${host}${namesHost(host, hostname) ? "" : `127.0.1.1\t${names}\n`}`;
}

function namesHost(hosts: string, hostname: string): boolean {
  return hosts.split("\n").some((line) => {
    const [, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return names.includes(hostname);
  });
}

/** `NAME:IP` or `NAME=IP`; `host-gateway` is the host, which with its own network is loopback. */
function addedHost(text: string, mode: NetworkMode): string {
  const [, name = "", value = ""] = /^([^=:]+)[=:](.+)$/.exec(text) ?? [];
  const address = value.replace(/^\[(.+)\]$/, "$1");
  if (name === "" || /\s/.test(name) || (address !== "host-gateway" && !isIPAddress(address))) {
    throw new UsageError(`Cannot use --add-host "${text}"`, {
      hint: "write it as NAME:ADDRESS, for example db:10.0.0.7",
    });
  }
  if (address !== "host-gateway") return `${address}\t${name}\n`;
  if (mode === "host") return `127.0.0.1\t${name}\n`;
  throw new HbError(`Cannot use --add-host "${text}": --network none has no way to the host`);
}

/** The host's resolv.conf, with what `--dns`, `--dns-search` and `--dns-option` replace. */
function resolvConf(wishes: NetworkWishes, mode: NetworkMode, facts: Facts): string {
  for (const address of wishes.dns) {
    if (isIPAddress(address.replace(/%.*$/, ""))) continue;
    throw new UsageError(`Cannot use --dns "${address}": it is no IP address`);
  }
  const asked = wishes.dns.length + wishes.dnsSearch.length + wishes.dnsOption.length > 0;
  if (!asked) return mode === "host" ? facts.resolvConf : "# --network none: no name server\n";
  const servers = wishes.dns.length > 0 ? wishes.dns : hostServers(mode, facts);
  const search = wishes.dnsSearch.length > 0 ? wishes.dnsSearch : fromHost("search", facts);
  const options = wishes.dnsOption.length > 0 ? wishes.dnsOption : fromHost("options", facts);
  const lines = servers.map((server) => `nameserver ${server}\n`);
  // `--dns-search .` is docker's way to have none.
  const domains = search.filter((domain) => domain !== ".");
  if (domains.length > 0) lines.push(`search ${domains.join(" ")}\n`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}\n`);
  return lines.join("");
}

function hostServers(mode: NetworkMode, facts: Facts): readonly string[] {
  if (mode === "none") return [];
  return [...facts.resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(
    ([, server = ""]) => server,
  );
}

/** The words of the last such line, which is the one resolv.conf(5) lets count. */
function fromHost(keyword: "search" | "options", facts: Facts): readonly string[] {
  const lines = [...facts.resolvConf.matchAll(new RegExp(`^\\s*${keyword}\\s+(.*)$`, "gm"))];
  const words = lines.at(-1)?.[1]?.trim() ?? "";
  return words === "" ? [] : words.split(/\s+/);
}

function ensureNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
