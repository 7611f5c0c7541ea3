/** pasta's arguments, for the versions that are about. */

import { describe, expect, test } from "bun:test";
import { ownAddresses, type PastaRequest, pastaArgs } from "./pasta.ts";
import { parsePorts } from "./ports.ts";

/** What `pasta --help` lists, Debian 12's (2023_03_09) and 13's (2025_05_03). */
const known = {
  "Debian 12":
    "address config-net debug dhcp-dns dhcp-search dns dns-forward fd foreground gateway help " +
    "interface ipv4-only ipv6-only log-file log-size mac-addr mtu netmask netns netns-only " +
    "no-dhcp no-dhcpv6 no-icmp no-map-gw no-ndp no-netns-quit no-ra no-tcp no-udp ns-ifname " +
    "ns-mac-addr outbound outbound-if4 outbound-if6 pcap pid quiet runas search stderr tcp-ns " +
    "tcp-ports trace udp-ns udp-ports userns version",
  "Debian 13":
    "address config-net debug dhcp-dns dhcp-search dns dns-forward dns-host fd foreground fqdn " +
    "gateway help host-lo-to-ns-lo hostname interface ipv4-only ipv6-only log-file log-size " +
    "mac-addr map-guest-addr map-host-loopback mtu netmask netns netns-only no-copy-addrs " +
    "no-copy-routes no-dhcp no-dhcpv6 no-icmp no-map-gw no-ndp no-netns-quit no-ra no-splice " +
    "no-tcp no-udp ns-ifname ns-mac-addr outbound outbound-if4 outbound-if6 pcap pid quiet runas " +
    "search tcp-ns tcp-ports trace udp-ns udp-ports userns version",
};

function argsOf(publish: readonly string[], change: Partial<PastaRequest> = {}) {
  const ports = parsePorts(publish, { all: false, exposed: [] });
  const plain = { options: [], forwardsDns: false, hasDefaultRoute: true, own: ["10.0.2.100"] };
  return pastaArgs({ ports, ...plain, ...change });
}

/** The values of `flag`. */
function valuesOf(args: readonly string[], flag: string): readonly string[] {
  return args.flatMap((word, index) => (args[index - 1] === flag ? [word] : []));
}

describe("pastaArgs()", () => {
  test.each(Object.entries(known))("uses only what %s's pasta has", (_, options) => {
    const args = argsOf(["80:80"], { forwardsDns: true, hasDefaultRoute: false });
    const used = args.filter((word) => word.startsWith("--")).map((word) => word.slice(2));
    expect(used.filter((name) => !options.split(" ").includes(name))).toEqual([]);
  });

  test("closes every direction that nobody asked for", () => {
    const args = argsOf([]);
    for (const flag of ["--tcp-ports", "--udp-ports", "--tcp-ns", "--udp-ns"]) {
      expect(valuesOf(args, flag)).toEqual(["none"]);
    }
    expect(args).toContain("--no-map-gw");
  });

  test("never gives none beside a port, which pasta takes for a contradiction (H-12)", () => {
    const args = argsOf(["5353:53/udp"]);
    expect(valuesOf(args, "--udp-ports")).toEqual(["5353:53"]);
    expect(valuesOf(args, "--tcp-ports")).toEqual(["none"]);
  });

  test("writes neighbours as a range, but not across addresses or distances", () => {
    const args = argsOf(["8000-8003:9000-9003", "8004:80", "127.0.0.1:8005:81", "[::1]:90:90"]);
    expect(valuesOf(args, "--tcp-ports")).toEqual([
      "8000-8003:9000-9003",
      "8004:80",
      "127.0.0.1/8005:81",
      "::1/90:90",
    ]);
  });

  test("leaves to the user's options what they set", () => {
    const own = (...options: string[]) => argsOf([], { options });
    expect(own("--map-gw")).not.toContain("--no-map-gw");
    expect(own("--map-gw")).not.toContain("--map-gw");
    expect(valuesOf(own("-t", "auto"), "--tcp-ports")).toEqual([]);
    expect(valuesOf(own("--tcp-ns=5432"), "--tcp-ns")).toEqual([]);
    expect(own("-a", "10.1.1.1")).not.toContain("--address");
    expect(own("-I", "tap0")).not.toContain("--ns-ifname");
    expect(own("--mtu", "1400").slice(-2)).toEqual(["--mtu", "1400"]);
  });
});

test("ownAddresses() are of the host's families, and never the host's", () => {
  expect(ownAddresses("192.168.1.7", "2001:db8::7")).toEqual(["10.0.2.100", "fd8e:c4a1:7b09::100"]);
  expect(ownAddresses("10.0.2.100", undefined)).toEqual(["10.0.2.101"]);
  expect(ownAddresses(undefined, "2001:db8::7")).toEqual(["fd8e:c4a1:7b09::100"]);
  expect(ownAddresses(undefined, undefined)).toEqual(["10.0.2.100"]);
});
