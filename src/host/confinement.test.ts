/** AppArmor's labels as the kernel prints them. */

import { describe, expect, test } from "bun:test";
import { profileIn } from "./confinement.ts";

describe("profileIn()", () => {
  const labels: [string, string | undefined][] = [
    ["docker-default (enforce)\n", "docker-default"],
    ["/usr/bin/a b (enforce)", "/usr/bin/a b"],
    ["lxc//&:ns:unconfined (enforce)", "lxc//&:ns:unconfined"],
    ["hb (complain)\n", undefined],
    ["hb (unconfined)\n", undefined],
    ["unconfined\n", undefined],
    ["unconfined_u:unconfined_r:unconfined_t:s0\0", undefined],
    ["", undefined],
  ];
  for (const [label, profile] of labels) {
    test(`finds ${profile ?? "no profile"} in ${JSON.stringify(label)}`, () => {
      expect(profileIn(label)).toBe(profile);
    });
  }
});
