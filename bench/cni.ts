/**
 * What podman's CNI plugins leave on the machine when root's containers have a bridge: the bridge
 * itself, chains in iptables' tables, and forwarding switched on. The bench takes it away again,
 * unless podman had been here before.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Workspace } from "./workspace.ts";

const bridge = "cni-podman0";
const forwarding = "/proc/sys/net/ipv4/ip_forward";
const tables = ["ip filter", "ip nat", "ip6 filter", "ip6 nat"];

/** Remembers how things are; the workspace's end brings them back. Call before any container. */
export function restoreAfterPodman(workspace: Workspace): void {
  if (process.getuid?.() !== 0 || existsSync(`/sys/class/net/${bridge}`)) return;
  const forwarded = readFileSync(forwarding, "utf8");
  const had = new Set(tables.filter(exists));
  workspace.defer(() => {
    if (!existsSync(`/sys/class/net/${bridge}`)) return;
    Bun.spawnSync(["ip", "link", "delete", bridge]);
    for (const table of tables.filter(exists)) clear(table, had.has(table));
    writeFileSync(forwarding, forwarded);
  });
}

function exists(table: string): boolean {
  return Bun.spawnSync(["nft", "list", "table", ...table.split(" ")]).exitCode === 0;
}

/** Takes CNI's rules and chains out of a table; the table too where podman made it. */
function clear(table: string, keep: boolean): void {
  const [family, name = ""] = table.split(" ");
  const iptables = (command: string) => {
    const program = family === "ip" ? "iptables" : "ip6tables";
    return Bun.spawnSync([...program.split(" "), "-t", name, ...words(command)]).stdout.toString();
  };
  const lines = iptables("-S").trim().split("\n");
  const chains = lines.flatMap((line) => /^-N (CNI-\S+)$/.exec(line)?.[1] ?? []);
  const rules = lines.filter((line) => line.startsWith("-A ") && line.includes(" -j CNI-"));
  for (const rule of rules) iptables(rule.replace("-A", "-D"));
  for (const chain of chains) iptables(`-F ${chain}`);
  for (const chain of chains) iptables(`-X ${chain}`);
  // Only what nobody else has put a rule into meanwhile.
  if (!keep && !iptables("-S").includes("-A ")) {
    Bun.spawnSync(["nft", "delete", "table", ...table.split(" ")]);
  }
}

/** A line of `iptables -S` as arguments: comments come in double quotes. */
function words(line: string): string[] {
  const parts = line.match(/"[^"]*"|\S+/g) ?? [];
  return parts.map((part) => part.replaceAll('"', ""));
}
