/** Published ports, rootless behind pasta and as root on a bridge: what is open, what is not. */

import { describe, expect, test } from "bun:test";
import { pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, busybox, debian, isRoot, registry, rootlessTest, testWith } from "./harness.ts";
import {
  endServer,
  freePort,
  get,
  isOpen,
  ownAddress,
  peerOf,
  startServer,
  udpEcho,
  udpServer,
} from "./network.ts";

const box = new Box();
const own4 = ownAddress("IPv4");
const own6 = ownAddress("IPv6");

describe("a published port", () => {
  test("answers on localhost, IPv4, and the machine's own addresses", async () => {
    const port = freePort();
    const server = await startServer(box, ["-p", `${port}:80`], { name: "hello" });
    expect(await get(`http://127.0.0.1:${port}`)).toBe("hello");
    expect(await get(`http://localhost:${port}`)).toBe("hello");
    if (own4 !== undefined) expect(await get(`http://${own4}:${port}`)).toBe("hello");
    if (own6 !== undefined) expect(await get(`http://[${own6}]:${port}`)).toBe("hello");
    expect(await endServer(server)).toBe("");
    expect(await isOpen("127.0.0.1", port)).toBe(false);
  });

  rootlessTest("answers on IPv6's localhost, too", async () => {
    const port = freePort();
    const server = await startServer(box, ["-p", `[::1]:${port}:80`]);
    expect(await get(`http://[::1]:${port}`)).toBe("server");
    expect(await isOpen("127.0.0.1", port)).toBe(false);
    await endServer(server);
  });

  test("on 127.0.0.1 answers there and nowhere else", async () => {
    const port = freePort();
    const server = await startServer(box, ["-p", `127.0.0.1:${port}:80`]);
    expect(await get(`http://127.0.0.1:${port}`)).toBe("server");
    if (own4 !== undefined) expect(await isOpen(own4, port)).toBe(false);
    await endServer(server);
  });

  test("of a range leads to its own of the container", async () => {
    const first = freePort() - 2;
    const range = `${first}-${first + 2}:9000-9002`;
    const server = await startServer(box, ["-p", range], { ports: "9000 9002" });
    expect(await get(`http://127.0.0.1:${first}`)).toBe("server");
    expect(await get(`http://127.0.0.1:${first + 1}`)).toBeUndefined();
    expect(await get(`http://127.0.0.1:${first + 2}`)).toBe("server");
    await endServer(server);
  });

  testWith("debian")("takes datagrams, and beside it the same number of TCP (H-12)", async () => {
    const [port, same] = [freePort(), freePort()];
    const bun = ["-v", `${process.execPath}:/bun:ro`, "-e", `PORTS=5353 ${same}`];
    const ports = ["-p", `${port}:5353/udp`, "-p", `${same}:${same}/udp`];
    const args = ["run", "-qi", ...bun, ...ports, debian, "/bun", "-e", udpServer];
    const server = box.start(args);
    await server.until("ready");
    // pasta of 2023 loses answers to localhost from a port of another number.
    expect(await udpEcho("127.0.0.1", same, "ping")).toBe("ping");
    if (own4 !== undefined) expect(await udpEcho(own4, port, "ping")).toBe("ping");
    expect(await isOpen("127.0.0.1", port)).toBe(false);
    await endServer(server);
  });

  test("with --user serves a port below 1024 of the container", async () => {
    const port = freePort();
    const script = "mkdir /tmp/w; httpd -p 80 -h /tmp/w && echo ready && exec cat";
    const flags = ["-p", `${port}:80`, "-u", "1000", "--tmpfs", "/tmp"];
    const server = box.start(["run", "-qi", ...flags, busybox, "sh", "-c", script]);
    await server.until("ready");
    expect(await isOpen("127.0.0.1", port)).toBe(true);
    await endServer(server);
  });
});

describe("a port that is left to hb", () => {
  test("is said once on standard error", async () => {
    const server = await startServer(box, ["-p", "80", "-p", "127.0.0.1::81"], { ports: "80 81" });
    await server.stdin.end();
    const { stderr } = await server.end();
    expect(stderr.split("\n")).toEqual([
      expect.stringMatching(/^hb: published 0\.0\.0\.0:\d+ -> 80\/tcp$/),
      expect.stringMatching(/^hb: published 127\.0\.0\.1:\d+ -> 81\/tcp$/),
      "",
    ]);
  });

  test("-P takes one for every port the image EXPOSEs", async () => {
    const config = { ExposedPorts: { "80/tcp": {}, "53/udp": {} }, Env: ["PATH=/bin"] };
    await pushImage(registry, "exposing:1", [busyboxLayer()], { config });
    const { status, stderr } = await box.hb(["run", "-qP", `${registry}/exposing:1`, "true"]);
    expect(status).toBe(0);
    expect(stderr).toMatch(/0\.0\.0\.0:\d+ -> 80\/tcp\n.*0\.0\.0\.0:\d+ -> 53\/udp\n$/s);
  });
});

describe("nothing published", () => {
  test("means that nothing listens for the container", async () => {
    const port = freePort();
    const server = await startServer(box, [], { ports: String(port) });
    expect(await isOpen("127.0.0.1", port)).toBe(false);
    await endServer(server);
  });

  test("the host's loopback services are out of the container's reach", async () => {
    const listener = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("x") });
    const { port } = listener;
    const gateway = "$(ip route | grep default | cut -d' ' -f3)";
    const script = `for a in 127.0.0.1 host.containers.internal ${gateway}
      do timeout 2 wget -q -O - http://$a:${port} && echo reached $a; done; true`;
    const run = await box.hb(["run", "-q", busybox, "sh", "-c", script]);
    await listener.stop(true);
    expect(run.stdout).toBe("");
  });
});

describe("what cannot be published is one line, and nothing starts", () => {
  const failure = (...flags: string[]) =>
    box.failure(125, ["run", "-q", ...flags, busybox, "true"]);

  test("a port that is in use", async () => {
    const listener = Bun.listen({
      hostname: "0.0.0.0",
      port: 0,
      socket: { data: () => undefined },
    });
    expect(await failure("-p", `${listener.port}:80`)).toContain(
      `port ${listener.port} is in use on this machine`,
    );
    listener.stop(true);
  });

  test("a port that another container has", async () => {
    const port = freePort();
    const server = await startServer(box, ["-p", `${port}:80`]);
    expect(await failure("-p", `${port}:80`)).toContain(String(port));
    expect(await failure("-p", `127.0.0.1:${port}:80`)).toContain(String(port));
    await endServer(server);
  });

  rootlessTest("a port below the first unprivileged one, with the sysctl", async () => {
    const file = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    const start = Number(await Bun.file(file).text());
    if (start > 81) expect(await failure("-p", "81:80")).toContain("ip_unprivileged_port_start=81");
  });

  test("an address this machine has not", async () => {
    expect(await failure("-p", "203.0.113.9:8080:80")).toContain("no such address");
  });

  test.each([
    [["-p", "nonsense"], "no port"],
    [["-p", "70000:80"], "1 to 65535"],
    [["-p", "8000-8010:9000-9001"], "11 ports of the host for 2"],
    [["-p", "80:80/sctp"], "sctp"],
    [["-p", "8080:80", "--network", "host"], "--network host"],
    [["-p", "8080:80", "--network", "none"], "--network none"],
    [["-P", "--network", "none"], "--publish-all"],
    [["-p", "8080:80", "--network", "container:x"], "--network container:x"],
    [["--network", "container:absent"], "No such container"],
    [["--network", "a b"], "pasta[:OPTIONS]"],
  ])("%j", async (flags, message) => {
    expect(await failure(...flags)).toContain(message);
  });
});

describe("the address a server sees", () => {
  test("of a client on this machine", async () => {
    const port = freePort();
    const server = await startServer(box, ["-p", `${port}:80`]);
    const seen = await peerOf(`http://127.0.0.1:${port}`);
    // The bridge's own; behind pasta localhost, and since 2024 the container's own.
    expect(isRoot ? ["10.89.0.1"] : ["127.0.0.1", "10.0.2.100"]).toContain(seen ?? "");
    await endServer(server);
  });
});

box.leavesNothingBehind();
