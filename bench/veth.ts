/**
 * What a bridge costs at least: a network namespace at the end of a veth pair, and one nftables
 * rule that leads a port of this machine into it, made with ip(8) and nft(8).
 */

import { writeFileSync } from "node:fs";
import type { Workspace } from "./workspace.ts";

/** A namespace whose `port` is this machine's `port`, also by 127.0.0.1. */
export interface Veth {
  /** Set when this machine cannot do it. */
  readonly missing?: string;
  /** What to put before a command so that it runs in there. */
  readonly enter: readonly string[];
}

const [here, there] = ["198.18.77.1", "198.18.77.2"];

/** Made once per row that asks; gone with the workspace. */
export function makeVeth(workspace: Workspace, port: number): Veth {
  const ip = Bun.which("ip");
  const nft = Bun.which("nft");
  if (ip === null || nft === null) return { missing: "no ip or nft", enter: [] };
  const name = `hbb${process.pid}`;
  const [outer, inner] = [`${name}o`, `${name}i`];
  const undo = () => {
    Bun.spawnSync([nft, "delete", "table", "ip", name]);
    Bun.spawnSync([ip, "link", "delete", outer]);
    Bun.spawnSync([ip, "netns", "delete", name]);
  };
  undo();
  workspace.defer(undo);
  const steps = [
    `netns add ${name}`,
    `link add ${outer} type veth peer name ${inner} netns ${name}`,
    `address add ${here}/30 dev ${outer}`,
    `link set ${outer} up`,
    `-n ${name} link set lo up`,
    `-n ${name} address add ${there}/30 dev ${inner}`,
    `-n ${name} link set ${inner} up`,
    `-n ${name} route add default via ${here}`,
  ];
  const commands = [
    ...steps.map((step) => [ip, ...step.split(" ")]),
    [nft, rules(name, outer, port)],
  ];
  for (const argv of commands) {
    const done = Bun.spawnSync(argv);
    if (done.exitCode === 0) continue;
    const [said] = done.stderr.toString().trim().split("\n");
    return { missing: `${argv.slice(0, 3).join(" ")}: ${said}`, enter: [] };
  }
  writeFileSync(`/proc/sys/net/ipv4/conf/${outer}/route_localnet`, "1");
  return { enter: [ip, "netns", "exec", name] };
}

function rules(table: string, outer: string, port: number): string {
  const translate = `fib daddr type local tcp dport ${port} dnat to ${there}`;
  const chain = (hook: string, priority: number, rule: string) =>
    `chain ${hook} { type nat hook ${hook} priority ${priority}; ${rule}; }`;
  const chains = [
    chain("prerouting", -100, translate),
    chain("output", -100, translate),
    chain("postrouting", 100, `oifname ${outer} ip saddr 127.0.0.0/8 masquerade`),
  ];
  return `table ip ${table} {\n${chains.join("\n")}\n}`;
}
