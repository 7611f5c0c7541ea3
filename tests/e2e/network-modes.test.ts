/** The kinds of networks: what a container sees of each, its names, and its way out. */

import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { Box, busybox, isRoot, rootlessTest } from "./harness.ts";
import { endServer, ownAddress, startServer } from "./network.ts";

const box = new Box();
const own4 = ownAddress("IPv4");

/** A PATH on which everything is but pasta. */
function pathWithoutPasta(): string {
  const folder = box.path("bin");
  mkdirSync(folder, { recursive: true });
  return folder;
}

describe("the default network", () => {
  test("is the container's own, with an address, a route and a name for the host", async () => {
    const script = "cat /sys/class/net/eth0/operstate; ip route; hostname -i; cat /etc/hosts";
    const text = await box.output("-h", "box", busybox, "sh", "-c", script);
    const address = isRoot ? "10.89.0.2" : "10.0.2.100";
    expect(text).toMatch(/^default via 10\./m);
    expect(text).toMatch(new RegExp(`^${address.replaceAll(".", "\\.")}\\s+box$`, "m"));
    expect(text).toContain("host.containers.internal host.docker.internal");
  });

  test("leads to a service of the host by its name, and on the host's own address", async () => {
    const server = Bun.serve({
      hostname: "0.0.0.0",
      port: 0,
      fetch: (request, self) => new Response(self.requestIP(request)?.address ?? ""),
    });
    const get = (host: string) =>
      box.output(busybox, "timeout", "5", "wget", "-qO-", `http://${host}:${server.port}`);
    const seen = await get("host.containers.internal");
    expect(seen).toBe(isRoot ? "10.89.0.2" : (own4 ?? ""));
    if (own4 !== undefined) expect(await get(own4)).not.toBe("");
    await server.stop(true);
  });

  test("lets any user listen on low ports and send pings", async () => {
    const script =
      "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range";
    const lines = (await box.output(busybox, "sh", "-c", script)).split("\n");
    expect(lines[0]).toBe("0");
    expect(lines[1]).toMatch(/^0\s+[1-9]\d+$/);
  });

  test("has --add-host's lines, with host-gateway for the host", async () => {
    const flags = ["--add-host", "db:10.1.2.3", "--add-host", "up=host-gateway"];
    const hosts = await box.output(...flags, busybox, "cat", "/etc/hosts");
    expect(hosts).toContain("10.1.2.3\tdb\n");
    const [line = ""] = hosts.split("\n").filter((each) => each.endsWith("\tup"));
    expect(hosts).toContain(`${line.split("\t")[0]}\thost.containers.internal`);
  });

  test("takes --dns, --dns-search and --dns-option", async () => {
    const flags = ["--dns", "10.9.8.7", "--dns-search", "lan", "--dns-option", "ndots:3"];
    expect(await box.output(...flags, busybox, "cat", "/etc/resolv.conf")).toBe(
      "nameserver 10.9.8.7\nsearch lan\noptions ndots:3",
    );
  });

  test("passes proxies in only with --http-proxy", async () => {
    const env = { HTTP_PROXY: "http://proxy:3128", no_proxy: "lan" };
    const without = await box.hb(["run", "-q", busybox, "env"], { env });
    expect(without.stdout).not.toContain("proxy");
    const passed = await box.hb(["run", "-q", "--http-proxy", busybox, "env"], { env });
    expect(passed.stdout).toContain("HTTP_PROXY=http://proxy:3128\n");
    expect(passed.stdout).toContain("no_proxy=lan\n");
  });
});

describe("--network none", () => {
  test("has loopback, up, and nothing else", async () => {
    const script = "ls /sys/class/net; ping -c 1 127.0.0.1 | grep -c seq; ip route";
    expect(await box.output("--network", "none", busybox, "sh", "-c", script)).toBe("lo\n1");
  });
});

describe("--network host", () => {
  test("is the machine's own, which names the host as well", async () => {
    const names = await box.output("--net", "host", busybox, "ls", "/sys/class/net");
    const ours = await box.command(["ls", "/sys/class/net"]);
    expect(names).toBe(ours.stdout.trim());
  });
});

describe("--network container:", () => {
  test("shares loopback, address and names of a running one, by name and by id", async () => {
    const cidfile = box.path("cid");
    const server = await startServer(box, ["--name", "web", "--cidfile", cidfile, "-h", "web"]);
    const id = await Bun.file(cidfile).text();
    for (const container of ["web", id, id.slice(0, 12)]) {
      const flags = ["--network", `container:${container}`];
      expect(await box.output(...flags, busybox, "wget", "-qO-", "http://127.0.0.1")).toBe(
        "server",
      );
      expect(await box.output(...flags, busybox, "wget", "-qO-", "http://web")).toBe("server");
    }
    await endServer(server);
    expect(
      await box.failure(125, ["run", "-q", "--network", `container:${id}`, busybox, "true"]),
    ).toMatch(/No such container|not running/);
  });

  test("has no way out when that one has ended, and goes on", async () => {
    const server = await startServer(box, ["--name", "web"]);
    const script = "echo ready; read go; ip route | grep . || echo alone";
    const joined = ["--network", "container:web", busybox, "sh", "-c", script];
    const other = box.start(["run", "-qi", ...joined]);
    await other.until("ready");
    await endServer(server);
    other.stdin.write("go\n");
    await other.stdin.end();
    expect(await other.end()).toMatchObject({ status: 0, stdout: "ready\nalone\n" });
  });

  test("its files, owners and users are those of any other container", async () => {
    const server = await startServer(box, ["--name", "web"]);
    const script = "id -u; touch /x; chown 12:34 /x; stat -c %u:%g /x; cat /proc/self/uid_map";
    const joined = ["--network", "container:web", busybox, "sh", "-c", script];
    expect(await box.output(...joined)).toBe(await box.output(busybox, "sh", "-c", script));
    await endServer(server);
  });
});

describe("--network ns:", () => {
  test("joins a namespace by its path", async () => {
    const unshare = ["unshare", ...(isRoot ? [] : ["-r"]), "-n", "sh", "-c"];
    const script = `ip link set lo up 2>/dev/null; echo $$; exec cat`;
    const holder = Bun.spawn([...unshare, script], { stdin: "pipe", stdout: "pipe" });
    const reader = holder.stdout.getReader();
    const pid = new TextDecoder().decode((await reader.read()).value).trim();
    const flags = ["--network", `ns:/proc/${pid}/ns/net`];
    const run = await box.hb(["run", "-q", ...flags, busybox, "readlink", "/proc/self/ns/net"]);
    const ours = await box.command(["readlink", `/proc/${pid}/ns/net`]);
    await holder.stdin.end();
    await holder.exited;
    expect(run).toMatchObject({ status: 0, stdout: ours.stdout });
  });

  test("a path that is none is one line", async () => {
    const flags = ["--network", "ns:/no/such"];
    expect(await box.failure(125, ["run", "-q", ...flags, busybox, "true"])).toContain("/no/such");
  });
});

describe("without pasta", () => {
  const env = { PATH: pathWithoutPasta() };

  rootlessTest("the host's network is taken, with one notice that names the package", async () => {
    const pasta = Bun.which("pasta", { PATH: "/usr/bin:/usr/sbin:/bin:/sbin" });
    if (pasta !== null) return; // where the usual places have it, hb finds it there
    const run = await box.hb(["run", "-q", busybox, "ls", "/sys/class/net"], { env });
    expect(run.stderr).toMatch(/^hb: notice: pasta is not installed[^\n]*passt[^\n]*\n$/);
  });
});

describe("a pasta that fails", () => {
  /** A PATH with a pasta of ours first. */
  function withPasta(script: string): Record<string, string> {
    const folder = box.path("pasta");
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/pasta`, `#!/bin/sh\n${script}\n`);
    chmodSync(`${folder}/pasta`, 0o755);
    return { PATH: `${folder}:${process.env.PATH ?? ""}` };
  }

  test("has its complaint passed on, and nothing runs", async () => {
    const env = withPasta("echo 'No external routable interface' >&2; exit 1");
    const args = ["run", "-q", "--network", "pasta", busybox, "echo", "ran"];
    expect(await box.failure(125, args, { env })).toContain("No external routable interface");
  });

  test("for an option it does not know says so", async () => {
    const args = ["run", "-q", "--network", "pasta:--no-such-option", busybox, "echo", "ran"];
    expect(await box.failure(125, args)).toContain("no-such-option");
  });
});

test("--network pasta:OPTIONS are pasta's own", async () => {
  const flags = ["--network", "pasta:--mtu,1400,-I,tap7"];
  const look = "cd /sys/class/net; echo *; cat tap7/mtu";
  expect(await box.output(...flags, busybox, "sh", "-c", look)).toBe("lo tap7\n1400");
});

box.leavesNothingBehind();
