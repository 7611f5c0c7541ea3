/** Addresses, against node:net's opinion of them. */

import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";
import { ipv4Number, ipv4Text, ipv6Bytes, isIPAddress, isIPv4, isIPv6 } from "./ip.ts";

describe("isIPAddress() agrees with node:net", () => {
  const texts =
    "1.2.3.4 255.255.255.255 256.1.1.1 1.2.3 01.2.3.4 1.2.3.4.5 a.b.c.d ::1 :: ::ffff:1.2.3.4 " +
    "fe80::1 2001:db8:0:0:0:0:0:1 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7 :::: 1::2::3 " +
    "12345::1 g::1 [::1] ::1/64 ::1]@x :1 1: : ::1.2.3.4 ::1.2.3 1.2.3.4:80";
  for (const text of [...texts.split(" "), "", " ::1", "::1 "]) {
    test(JSON.stringify(text), () => {
      expect(isIPAddress(text)).toBe(isIP(text) !== 0);
      expect(isIPv4(text)).toBe(isIP(text) === 4);
      expect(isIPv6(text)).toBe(isIP(text) === 6);
    });
  }
});

describe("addresses as numbers", () => {
  test.each([
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["FD00:1::a:2", "fd0000010000000000000000000a0002"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["::ffff:1.2.3.4", "00000000000000000000ffff01020304"],
  ])("%s", (text, hex) => {
    expect(Buffer.from(ipv6Bytes(text)).toString("hex")).toBe(hex);
  });

  test("IPv4 there and back", () => {
    for (const text of ["0.0.0.0", "255.255.255.255", "10.89.0.1", "192.168.255.128"]) {
      expect(ipv4Text(ipv4Number(text))).toBe(text);
    }
  });
});
