/** Addresses, against node:net's opinion of them. */

import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";
import { isIPAddress, isIPv4, isIPv6 } from "./ip.ts";

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
