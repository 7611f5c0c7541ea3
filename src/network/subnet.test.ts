/** Subnets, and the addresses that are given out of them. */

import { describe, expect, test } from "bun:test";
import { chooseAddress } from "./leases.ts";
import {
  address6At,
  addressAt,
  formatSubnet,
  freeSubnet,
  hostNumber,
  overlaps,
  parseSubnet,
  subnetAround,
  uniqueLocalPrefix,
} from "./subnet.ts";

const subnet = parseSubnet("10.89.0.0/16", "--subnet");

function lease(address: string) {
  return { address, id: "a".repeat(64), names: [], ports: [] };
}

describe("subnets", () => {
  test("are read and written in one form", () => {
    expect(formatSubnet(subnet)).toBe("10.89.0.0/16");
    expect(formatSubnet(subnetAround("172.19.3.4", 16))).toBe("172.19.0.0/16");
    expect(formatSubnet(parseSubnet("192.168.255.128/25", "--subnet"))).toBe("192.168.255.128/25");
  });

  test.each(["10.0.0.0", "10.0.0.0/33", "10.0.0.0/30", "10.0.0/16", "fd00::/64", "x/16"])(
    "%j is none",
    (text) => expect(() => parseSubnet(text, "--subnet")).toThrow(/no IPv4 subnet/),
  );

  test("an address in one is told from the subnet itself", () => {
    expect(() => parseSubnet("10.0.0.1/24", "--subnet")).toThrow(/address in a subnet/);
  });

  test("know their addresses, but for their own and the broadcast", () => {
    expect(addressAt(subnet, 2)).toBe("10.89.0.2");
    expect(addressAt(subnet, 256)).toBe("10.89.1.0");
    expect(hostNumber(subnet, "10.89.1.0")).toBe(256);
    expect(hostNumber(subnet, "10.89.0.0")).toBeUndefined();
    expect(hostNumber(subnet, "10.89.255.255")).toBeUndefined();
    expect(hostNumber(subnet, "10.90.0.1")).toBeUndefined();
    expect(address6At("fd00:1:2::", 2)).toBe("fd00:1:2::2");
    expect(address6At("fd00:1:2::", 65537)).toBe("fd00:1:2::1:1");
    expect(uniqueLocalPrefix("0123456789ab")).toBe("fd01:2345:6789::");
  });

  test("that are taken, also in part, are passed over", () => {
    const taken = ["10.90.4.0/24", "10.88.0.0/14"].map((text) => parseSubnet(text, "--subnet"));
    expect(formatSubnet(freeSubnet(taken))).toBe("10.92.0.0/16");
    expect(overlaps(subnet, parseSubnet("10.0.0.0/8", "--subnet"))).toBe(true);
    expect(overlaps(subnet, parseSubnet("10.90.0.0/16", "--subnet"))).toBe(false);
  });
});

describe("chooseAddress()", () => {
  const gateway = "10.89.0.1";

  test("gives the lowest that nobody has", () => {
    const held = [lease("10.89.0.2"), lease("10.89.0.4")];
    expect(chooseAddress(subnet, undefined, { gateway, held, dead: [] })).toBe(3);
    expect(chooseAddress(subnet, undefined, { gateway, held, dead: ["10.89.0.3"] })).toBe(5);
  });

  test("gives what was asked for, or says who has it", () => {
    const held = [lease("10.89.0.2")];
    expect(chooseAddress(subnet, "10.89.9.9", { gateway, held, dead: [] })).toBe(9 * 257);
    expect(() => chooseAddress(subnet, "10.89.0.2", { gateway, held, dead: [] })).toThrow(
      /container aaaaaaaaaaaa has it/,
    );
    expect(() => chooseAddress(subnet, gateway, { gateway, held, dead: [] })).toThrow(/bridge's/);
  });

  test("has none left when all are taken", () => {
    const small = parseSubnet("10.0.0.0/29", "--subnet");
    const held = [2, 3, 4, 5, 6].map((n) => lease(`10.0.0.${n}`));
    const leases = { gateway: "10.0.0.1", held, dead: [] };
    expect(chooseAddress(small, undefined, leases)).toBeUndefined();
  });
});
