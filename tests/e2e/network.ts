/** Servers in containers and outside of them, for the tests of networks. */

import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { type Box, busybox, type Running } from "./harness.ts";

/** Answers at / with `name`, at /cgi-bin/peer with the client's address, until it is ended. */
const httpd = `mkdir -p /www/cgi-bin; echo "$NAME" > /www/index.html
printf '#!/bin/sh\\necho; echo $REMOTE_ADDR\\n' > /www/cgi-bin/peer; chmod +x /www/cgi-bin/peer
for port in $PORTS; do httpd -p $port -h /www || exit 1; done; echo ready; exec cat`;

/** A container that serves on `ports`, ready. */
export async function startServer(
  box: Box,
  flags: readonly string[],
  { name = "server", ports = "80" } = {},
): Promise<Running> {
  const env = ["-e", `NAME=${name}`, "-e", `PORTS=${ports}`];
  const server = box.start(["run", "-qi", ...env, ...flags, busybox, "sh", "-c", httpd]);
  await server.until("ready");
  return server;
}

/** Ends a server as its own end would come: by end of file on its standard input. */
export async function endServer(server: Running): Promise<string> {
  await server.stdin.end();
  return (await server.end()).stderr;
}

/** The body at `url`, without the last line end; undefined where nobody answers. */
export async function get(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5000), keepalive: false });
    return (await answer.text()).trimEnd();
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/** The client's address as the server at `origin` sees it, IPv4 not dressed as IPv6. */
export async function peerOf(origin: string): Promise<string | undefined> {
  const seen = await get(`${origin}/cgi-bin/peer`);
  return seen?.replace(/^\[(.*)\]$/, "$1").replace(/^::ffff:/, "");
}

/** Whether anybody listens at a port. */
export function isOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** An address of this machine that is not loopback. */
export function ownAddress(family: "IPv4" | "IPv6"): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find((each) => each.family === family && !each.internal && !each.address.startsWith("fe80"))
    ?.address;
}

/** A port of this machine that was free a moment ago. */
export function freePort(): number {
  const server = Bun.listen({
    hostname: "::",
    port: 0,
    socket: { data: () => undefined },
  });
  const { port } = server;
  server.stop(true);
  return port;
}

/** Sends `text` by UDP until an echo comes back, and returns it. */
export async function udpEcho(address: string, port: number, text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const hostname = address.includes(":") ? "::" : "0.0.0.0";
  const socket = await Bun.udpSocket({
    hostname,
    socket: { data: (_, data) => resolve(data.toString()) },
  });
  try {
    socket.send(text, port, address);
    return await Promise.race([promise, timeout(3000)]);
  } finally {
    socket.close();
  }
}

function timeout(milliseconds: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  AbortSignal.timeout(milliseconds).addEventListener("abort", () => resolve("(no answer)"));
  return promise;
}

/** A UDP echo on $PORTS for Bun, which the tests run by; in a container it is mounted at /bun. */
export const udpServer =
  `const socket = { data(s, data, port, address) { s.send(data, port, address); } };` +
  `for (const port of process.env.PORTS.split(" "))` +
  ` await Bun.udpSocket({ hostname: "::", port: Number(port), socket });` +
  `console.log("ready");` +
  `for await (const _ of Bun.stdin.stream()); process.exit(0);`;
