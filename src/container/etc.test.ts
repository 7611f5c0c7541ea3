/** /etc/resolv.conf: which resolvers a container can use. */

import { describe, expect, test } from "bun:test";
import { resolvConf } from "./etc.ts";

const noWishes = { dns: [], dnsOption: [], dnsSearch: [] };

function resolved(mode: "pasta" | "bridge" | "host" | "none", resolvConfText: string, more = {}) {
  const facts = {
    hostname: "machine",
    hosts: "",
    resolvConf: resolvConfText,
    resolvedUpstreams: "nameserver 192.168.1.1\nnameserver 127.0.0.1\n",
  };
  return resolvConf({ ...noWishes, ...more }, { mode }, facts);
}

describe("resolvConf()", () => {
  const stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n";

  test("is the host's own, to the letter, on the host's network", () => {
    expect(resolved("host", stub).content).toBe(stub);
  });

  test.each(["nameserver 127.0.0.53\n", "nameserver ::1\n", "nameserver fe80::1%eth0\n"])(
    "forwards what only the host can reach through pasta: %j",
    (text) => {
      expect(resolved("pasta", text)).toMatchObject({
        content: "nameserver 10.0.2.3\n",
        forwards: true,
      });
    },
  );

  test("keeps servers that pasta reaches by themselves", () => {
    const text = "nameserver 10.0.0.1\nnameserver 127.0.0.1\n";
    expect(resolved("pasta", text).content).toBe("nameserver 10.0.0.1\nnameserver 10.0.2.3\n");
    expect(resolved("pasta", "nameserver 10.0.0.1\n").forwards).toBe(false);
  });

  test("takes systemd-resolved's upstreams on a bridge, and what the host searches", () => {
    expect(resolved("bridge", stub).content).toBe(
      "nameserver 192.168.1.1\nsearch lan\noptions edns0 trust-ad\n",
    );
  });

  test("says that another resolver on loopback is out of a bridge's reach", () => {
    const { content, notice } = resolved("bridge", "nameserver 127.0.0.1\n");
    expect(content).toBe("");
    expect(notice).toMatch(/127\.0\.0\.1 is out of a container's reach; use --dns/);
  });

  test("takes --dns for all there is, in every mode", () => {
    const dns = { dns: ["9.9.9.9"] };
    for (const mode of ["pasta", "bridge", "none"] as const) {
      const { content, forwards } = resolved(mode, stub, dns);
      expect(content).toStartWith("nameserver 9.9.9.9\n");
      expect(forwards).toBe(false);
    }
  });
});
