/** Root's bridges: addresses, names, the way out through NAT, and that all of it goes again. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { Box, busybox, hbBinary, isRoot, Running, rootlessTest, rootTest } from "./harness.ts";
import { endServer, freePort, get, isOpen, peerOf, startServer } from "./network.ts";

const box = new Box();

/** Another machine: a network namespace at the end of a wire, with addresses of RFC 5737. */
const outside = { name: `hbt${process.pid}`, wire: `hbt${process.pid % 100000}w` } as const;
const here4 = "203.0.113.1";
const there4 = "203.0.113.2";
const here6 = "2001:db8:77::1";
const there6 = "2001:db8:77::2";

async function ip(...args: string[]): Promise<void> {
  const { status, stderr } = await box.command(["ip", ...args]);
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}

beforeAll(async () => {
  if (!isRoot) return;
  const { name, wire } = outside;
  await ip("netns", "add", name);
  await ip("link", "add", wire, "type", "veth", "peer", "name", "wire", "netns", name);
  await ip("address", "add", `${here4}/24`, "dev", wire);
  await ip("address", "add", `${here6}/64`, "dev", wire, "nodad");
  await ip("link", "set", wire, "up");
  await ip("-n", name, "address", "add", `${there4}/24`, "dev", "wire");
  await ip("-n", name, "address", "add", `${there6}/64`, "dev", "wire", "nodad");
  await ip("-n", name, "link", "set", "wire", "up");
});

afterAll(() => {
  if (isRoot) Bun.spawnSync(["ip", "netns", "delete", outside.name]);
});

/** Runs Bun on the other machine. */
function outsideBun(script: string): string[] {
  return ["ip", "netns", "exec", outside.name, process.execPath, "-e", script];
}

/** The machine's interfaces, and networks with state. */
function networksHere(): string[] {
  const states = existsSync("/run/hb/networks") ? readdirSync("/run/hb/networks") : [];
  return [...readdirSync("/sys/class/net"), ...states];
}

const before = new Set([...networksHere(), outside.wire]);

/**
 * What there is of it when no container of ours should be on a bridge. The kernel takes a moment to
 * let go of interfaces that are deleted; asking it for them lets that moment pass.
 */
async function leftovers(): Promise<string[]> {
  const left = () => networksHere().filter((name) => !before.has(name));
  for (let tries = 0; tries < 200 && left().length > 0; tries++) await ip("link");
  return left();
}

async function ruleset(): Promise<string> {
  if (Bun.which("nft") === null) return "";
  return (await box.command(["nft", "--stateless", "list", "ruleset"])).stdout;
}

async function addressOf(server: Running, name: string): Promise<string> {
  const [network] = JSON.parse((await box.hb(["network", "inspect", name])).stdout);
  expect(server.pid).toBeGreaterThan(0);
  const [container] = Object.values<{ IPv4Address: string }>(network.Containers);
  return container?.IPv4Address ?? "";
}

describe("the default bridge", () => {
  rootTest("gives a container an address that the host reaches, and takes all away", async () => {
    const rules = await ruleset();
    const server = await startServer(box, ["-p", `${freePort()}:80`]);
    const address = await addressOf(server, "hb0");
    expect(address).toBe("10.89.0.2");
    expect(await get(`http://${address}`)).toBe("server");
    expect(await peerOf(`http://${address}`)).toBe("10.89.0.1");
    await endServer(server);
    expect(await leftovers()).toEqual([]);
    expect(await ruleset()).toBe(rules);
  });

  rootTest("lets containers reach each other", async () => {
    const server = await startServer(box, []);
    const url = `http://${await addressOf(server, "hb0")}`;
    expect(await box.output(busybox, "timeout", "5", "wget", "-qO-", url)).toBe("server");
    await endServer(server);
  });

  rootTest("gives 20 at once an address each", async () => {
    const script = "ip -o -4 address show dev eth0 | sed 's/.*inet //; s/ .*//'; cat";
    const args = ["run", "-qi", busybox, "sh", "-c", script];
    await box.hb(["pull", "-q", busybox]);
    const runs = Array.from({ length: 20 }, () => box.start(args));
    await Promise.all(runs.map((run) => run.until("/16")));
    await Promise.all(runs.map((run) => run.stdin.end()));
    const results = await Promise.all(runs.map((run) => run.end()));
    expect(results.map(({ stderr, status }) => `${status}${stderr}`)).toEqual(Array(20).fill("0"));
    expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(20);
    expect(await leftovers()).toEqual([]);
  });

  rootTest("takes --ip and --mac-address", async () => {
    const script = "ip -o -4 address show dev eth0; cat /sys/class/net/eth0/address";
    const flags = ["--ip", "10.89.7.7", "--mac-address", "02:42:0a:59:07:07"];
    const text = await box.output(...flags, busybox, "sh", "-c", script);
    expect(text).toContain("10.89.7.7/16");
    expect(text).toContain("02:42:0a:59:07:07");
  });

  rootTest("says who has an address, and which are its own", async () => {
    const server = await startServer(box, ["--ip", "10.89.7.7"]);
    const failure = (address: string) =>
      box.failure(125, ["run", "-q", "--ip", address, busybox, "true"]);
    expect(await failure("10.89.7.7")).toMatch(/container [0-9a-f]{12} has it/);
    expect(await failure("10.89.0.1")).toContain("the bridge's own");
    expect(await failure("10.1.2.3")).toContain("not in 10.89.0.0/16");
    expect(await failure("ten")).toContain("no address");
    await endServer(server);
  });
});

describe("the way out and in", () => {
  const listen =
    `Bun.serve({ hostname: "::", port: 8000, fetch: (r, s) => ` +
    `new Response(s.requestIP(r).address) }); console.log("ready"); for await (const _ of ` +
    `Bun.stdin.stream()); process.exit(0)`;

  rootTest("leads to other machines under the host's address, IPv4 and IPv6", async () => {
    const [program = "", ...args] = outsideBun(listen);
    const server = Bun.spawn([program, ...args], { stdin: "pipe", stdout: "pipe" });
    await server.stdout.getReader().read();
    const seen = (url: string) => box.output(busybox, "timeout", "5", "wget", "-qO-", url);
    expect(await seen(`http://${there4}:8000`)).toMatch(/^(::ffff:)?203\.0\.113\.1$/);
    expect(await seen(`http://[${there6}]:8000`)).toBe(here6);
    await server.stdin.end();
    await server.exited;
  });

  rootTest("shows a server the address of its client on another machine", async () => {
    const port = freePort();
    const server = await startServer(box, ["-p", `${port}:80`]);
    const ask = (host: string) =>
      box.command(
        outsideBun(
          `console.log(await (await fetch("http://${host}:${port}/cgi-bin/peer")).text())`,
        ),
      );
    expect((await ask(here4)).stdout).toContain(there4);
    expect((await ask(`[${here6}]`)).stdout).toContain(there6);
    await endServer(server);
  });

  rootTest("on 127.0.0.1 is closed to other machines", async () => {
    const port = freePort();
    const server = await startServer(box, ["-p", `127.0.0.1:${port}:80`]);
    const ask = outsideBun(`await fetch("http://${here4}:${port}")`);
    expect((await box.command(ask)).status).not.toBe(0);
    expect(await get(`http://127.0.0.1:${port}`)).toBe("server");
    await endServer(server);
  });
});

describe("hb network", () => {
  rootTest("creates a network on which containers find each other by name", async () => {
    expect(await box.hb(["network", "create", "back"])).toMatchObject({ stdout: "back\n" });
    const db = await startServer(box, ["--network", "back", "--name", "db"], { name: "db" });
    const web = await startServer(box, ["--network", "bridge:back", "-h", "web"], { name: "web" });
    const fetch = (host: string) =>
      box.output("--network", "back", busybox, "timeout", "5", "wget", "-qO-", `http://${host}`);
    expect(await fetch("db")).toBe("db");
    expect(await fetch("web")).toBe("web");
    const list = await box.hb(["network", "ls"]);
    expect(list.stdout).toMatch(/^back\s+10\.\d+\.0\.0\/16\s+10\.\d+\.0\.1\s+false\s+2$/m);
    expect(await box.failure(1, ["network", "rm", "back"])).toMatch(/is on it/);
    await Promise.all([endServer(db), endServer(web)]);
    expect(await leftovers()).toEqual([]);
    expect(await box.hb(["network", "rm", "back"])).toMatchObject({ status: 0, stderr: "" });
    expect(await box.failure(125, ["run", "--network", "bridge:back", busybox, "true"])).toContain(
      "hb network create back",
    );
  });

  rootTest("tells those who were there first of who comes later, and of who has left", async () => {
    await box.hb(["network", "create", "back"]);
    const ask = "timeout 5 wget -qO- http://late";
    const script = `echo ready; read go; ${ask}; read go; grep late /etc/hosts || echo left`;
    const first = box.start(["run", "-qi", "--network", "back", busybox, "sh", "-c", script]);
    await first.until("ready");
    const late = await startServer(box, ["--network", "back", "--name", "late"], { name: "late" });
    first.stdin.write("go\n");
    await first.until("late");
    await endServer(late);
    first.stdin.write("go\n");
    await first.stdin.end();
    expect((await first.end()).stdout).toBe("ready\nlate\nleft\n");
    expect(await box.hb(["network", "prune"])).toMatchObject({ stdout: "back\n" });
  });

  rootTest("--internal has no way out, but to the host and each other", async () => {
    await box.hb(["network", "create", "--internal", "--subnet", "10.123.4.0/24", "back"]);
    const run = await box.output("--network", "back", busybox, "ip", "route");
    expect(run).toMatch(/^10\.123\.4\.0\/24 /);
    expect(run).not.toContain("default");
    await box.hb(["network", "rm", "back"]);
  });

  rootTest("runs a plain directory on a bridge made for it, as rabbitc did", async () => {
    const root = box.path("tree");
    mkdirSync(`${root}/bin`, { recursive: true });
    await box.command(["cp", "/bin/busybox", `${root}/bin/busybox`]);
    const flags = ["--rootfs", root, "--network", "bridge:back", "--ip", "172.29.0.2"];
    const script = "mkdir /www; echo hi > /www/index.html; httpd -p 80 -h /www; echo ready; cat";
    const busyboxes = "for a in mkdir httpd cat; do /bin/busybox ln -sf busybox /bin/$a; done;";
    const shell = ["/bin/busybox", "sh", "-c", `${busyboxes} ${script}`];
    const server = box.start(["run", "-i", ...flags, ...shell]);
    await server.until("ready");
    expect(await get("http://172.29.0.2")).toBe("hi");
    await endServer(server);
    expect(await leftovers()).toEqual([]);
    await box.hb(["network", "rm", "back"]);
  });

  rootTest("refuses what cannot be, in one line", async () => {
    const failure = (...args: string[]) => box.failure(args.length > 3 ? 125 : 1, args);
    expect(await failure("network", "create", "lo")).toContain("interface of this machine");
    expect(await failure("network", "inspect", "absent")).toContain("absent");
    expect(await failure("network", "rm", "hb0")).toContain("always there");
    expect(await failure("network", "create", "--subnet", "10.0.0.0/40", "x")).toContain("subnet");
    const taken = ["network", "create", "--subnet", "10.89.4.0/24", "x"];
    expect(await box.failure(1, taken)).toContain("overlaps");
    expect(await box.failure(125, ["network", "create", "much-too-long-a-name"])).toContain("15");
  });

  rootlessTest("is root's", async () => {
    expect(await box.failure(1, ["network", "ls"])).toContain("only root");
    expect(await box.failure(125, ["run", "-q", "--network", "bridge", busybox, "true"])).toContain(
      "only root",
    );
  });
});

describe("after kill -9", () => {
  rootTest("of hb and one further command nothing is left", async () => {
    const rules = await ruleset();
    const port = freePort();
    const server = await startServer(box, ["-p", `${port}:80`]);
    server.kill("SIGKILL");
    await server.end();
    expect(await box.hb(["prune"])).toMatchObject({ status: 0, stderr: "" });
    expect(await leftovers()).toEqual([]);
    expect(await ruleset()).toBe(rules);
    const again = await startServer(box, ["-p", `${port}:80`]);
    expect(await get(`http://127.0.0.1:${port}`)).toBe("server");
    await endServer(again);
  });

  rootTest("of hb others on the bridge go on", async () => {
    const ports = [freePort(), freePort()];
    const [dead, alive] = [
      await startServer(box, ["-p", `${ports[0]}:80`]),
      await startServer(box, ["-p", `${ports[1]}:80`], { name: "alive" }),
    ];
    dead.kill("SIGKILL");
    await dead.end();
    await box.hb(["prune"]);
    expect(await get(`http://127.0.0.1:${ports[1]}`)).toBe("alive");
    await endServer(alive);
    expect(await leftovers()).toEqual([]);
  });

  rootlessTest("of hb its port is free again, and pasta gone", async () => {
    const port = freePort();
    const server = await startServer(box, ["-p", `${port}:80`]);
    server.kill("SIGKILL");
    await server.end();
    expect(await box.hb(["prune"])).toMatchObject({ status: 0, stderr: "" });
    // pasta ends by itself, told that hb is gone; the kernel takes a while for its sockets.
    const deadline = Date.now() + 5000;
    while (Date.now() < deadline && (await isOpen("127.0.0.1", port)));
    expect(await isOpen("127.0.0.1", port)).toBe(false);
  });

  rootlessTest("of pasta the container goes on without a way out", async () => {
    const both = ["bash", "-c", 'exec "$0" "$@" 2>&1'];
    const script = "echo ready; cat; ip route | grep . || echo on";
    const args = ["run", "-qi", busybox, "sh", "-c", script];
    const server = new Running([...both, hbBinary, ...args], box.env(), box.folder);
    await server.until("ready");
    const children = await Bun.file(`/proc/${server.pid}/task/${server.pid}/children`).text();
    for (const pid of children.trim().split(" ")) {
      const comm = await Bun.file(`/proc/${pid}/comm`).text();
      if (comm.startsWith("pas")) process.kill(Number(pid), "SIGKILL");
    }
    await server.until("pasta");
    await server.stdin.end();
    const { status, stdout } = await server.end();
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ready\nhb: notice: [^\n]*pasta[^\n]*\non\n$/);
  });
});

box.leavesNothingBehind();
