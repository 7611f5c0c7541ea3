/** What a network of a container's own costs: when it starts, and what goes through it. */

import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Contender, Figures, Row } from "../measure.ts";
import type { Bench } from "../run.ts";
import { makeVeth } from "../veth.ts";
import type { Command, Identity } from "../workspace.ts";

/** Enough to hide how a connection begins, little enough for the slowest proxy. */
const downloadBytes = 2 * 2 ** 30;

/** `meter serve` ready to run; the same port outside and inside. */
type Serve = (port: number, bytes: number) => Command;

/** Somebody who can lead a port to a server. */
interface Server {
  readonly name: string;
  readonly missing?: string | undefined;
  /** The only port it can lead anywhere; any free one when absent. */
  readonly port?: number;
  readonly serve: Serve;
}

/** A program that does nothing, with a network made for it. */
export function networkStart(bench: Bench, as: Identity): Row {
  const contenders = containers(bench, as).map((launcher): Contender => {
    const turn = async () => {
      const { wallMs, cpuMs } = await bench.workspace.spend(
        launcher.run(["/bin/true"], { network: "own" }),
      );
      return { wall: wallMs, cpu: cpuMs };
    };
    return { ...launcher, turn };
  });
  const alone = pasta(bench, as, ["-t", "none"], ["/bin/true"]);
  const pastaTurn = async () => {
    const { wallMs, cpuMs } = await bench.workspace.spend(alone.command);
    return { wall: wallMs, cpu: cpuMs };
  };
  return {
    group: "network",
    title: `warm start, ${as.name}, ${kind(as)}`,
    metrics: ["wall", "cpu"].map((name) => ({ name, unit: "ms" })),
    contenders: [...contenders, ...rootless(as, { ...alone, turn: pastaTurn })],
    yardstick: as.name === "root" ? "podman" : "pasta",
    budgets: [startBudget(as, "wall")],
    rounds: bench.rounds(21),
    warmups: 2,
  };
}

/** From the fork of the command to the first byte its server gives to this machine. */
export function firstByte(bench: Bench, as: Identity): Row {
  const turn = async (server: Server) => {
    const { started, first, cpu } = await transfer(bench, server, "127.0.0.1", 1);
    return { "first byte": (first - started) / 1e6, cpu };
  };
  const servers = [...published(bench, as), ...rootless(as, pastaServer(bench, as))];
  return {
    group: "network",
    title: `a fresh server's first byte, ${as.name}, ${kind(as)}`,
    metrics: ["first byte", "cpu"].map((name) => ({ name, unit: "ms" })),
    contenders: servers.map((server) => ({ ...server, turn: () => turn(server) })),
    yardstick: as.name === "root" ? "podman" : "pasta",
    budgets: [startBudget(as, "first byte")],
    rounds: bench.rounds(21),
    warmups: 2,
    note: "who connects tries every 50 µs, and is not in cpu",
  };
}

/**
 * Bytes out of a container through a published port. Root asks by an address of the machine, too;
 * there, pasta of 2023 lets connections of the machine itself hang, by itself as beneath hb.
 */
export function downloads(bench: Bench, as: Identity): Row[] {
  const servers = [
    outside(bench, as),
    as.name === "root" ? vethServer(bench, as) : pastaServer(bench, as),
    ...published(bench, as),
  ];
  const addresses = ["127.0.0.1", ...(as.name === "root" ? ownAddress() : [])];
  return addresses.map((address) => download(bench, as, servers, address));
}

function download(bench: Bench, as: Identity, servers: readonly Server[], address: string): Row {
  const turn = async (server: Server): Promise<Figures> => {
    const { first, end, cpu } = await transfer(bench, server, address, downloadBytes);
    return { rate: downloadBytes / 2 ** 20 / ((end - first) / 1e9), cpu };
  };
  const [ground, min] = as.name === "root" ? ["veth and NAT", 0.9] : ["pasta", 0.95];
  return {
    group: "network",
    title: `${downloadBytes / 2 ** 30} GiB by ${address}, ${as.name}, ${kind(as)}`,
    metrics: [
      { name: "rate", unit: "MiB/s" },
      { name: "cpu", unit: "ms" },
    ],
    contenders: servers.map((server) => ({ ...server, turn: () => turn(server) })),
    yardstick: ground,
    budgets: [{ metric: "rate", min, ratioTo: ground }],
    rounds: bench.rounds(9),
    warmups: 1,
    note: "from the first byte on; cpu is the server's side with its start, without who fetches",
  };
}

/** This machine's first address that is not loopback's: what the network would come by. */
function ownAddress(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const found = all.find(({ family, internal }) => family === "IPv4" && !internal);
  return found === undefined ? [] : [found.address];
}

function kind(as: Identity): string {
  return as.name === "root" ? "bridge" : "pasta";
}

function startBudget(as: Identity, metric: string) {
  return as.name === "root"
    ? { metric, max: 0.08, ratioTo: "podman" }
    : { metric, max: 10, above: "pasta" };
}

function rootless<T>(as: Identity, one: T): T[] {
  return as.name === "root" ? [] : [one];
}

function containers(bench: Bench, as: Identity) {
  return bench.launchers(as).filter(({ name }) => name === "hb" || name === "podman");
}

function published(bench: Bench, as: Identity): Server[] {
  return containers(bench, as).map((launcher) => ({
    ...launcher,
    serve: (port, bytes) =>
      launcher.run(["/bin/meter", "serve", `${port}`, `${bytes}`], {
        network: "own",
        publish: port,
      }),
  }));
}

function outside(bench: Bench, as: Identity): Server {
  const { meter } = bench.workspace;
  return {
    name: "outside",
    serve: (port, bytes) => ({ as, argv: [meter, "serve", `${port}`, `${bytes}`] }),
  };
}

/** pasta by itself, told as much as hb tells it. */
function pasta(bench: Bench, as: Identity, ports: readonly string[], argv: readonly string[]) {
  const program = Bun.which("pasta");
  const missing = program === null ? "not installed (apt-get install passt)" : undefined;
  const closed = ["-u", "none", "-T", "none", "-U", "none"];
  const [inner = "", ...args] = argv;
  const payload = [join(bench.images.rootfs, inner), ...args];
  const all = [program ?? "", "--config-net", "--quiet", ...ports, ...closed, "--", ...payload];
  return { name: "pasta", missing, command: { as, argv: all } };
}

function pastaServer(bench: Bench, as: Identity): Server {
  const serve: Serve = (port, bytes) => {
    const argv = ["/bin/meter", "serve", `${port}`, `${bytes}`];
    return pasta(bench, as, ["-t", `${port}`], argv).command;
  };
  return { ...pasta(bench, as, [], []), serve };
}

function vethServer(bench: Bench, as: Identity): Server {
  const port = freePort();
  const { missing, enter } = makeVeth(bench.workspace, port);
  const { meter } = bench.workspace;
  return {
    name: "veth and NAT",
    missing,
    port,
    serve: (_, bytes) => ({ as, argv: [...enter, meter, "serve", `${port}`, `${bytes}`] }),
  };
}

interface Transferred {
  /** CLOCK_MONOTONIC in ns: the server's fork, the first byte here, the last. */
  readonly started: number;
  readonly first: number;
  readonly end: number;
  /** Milliseconds of the server and whatever stands before it. */
  readonly cpu: number;
}

/** One server, one who fetches all it has; both have ended afterwards. */
async function transfer(
  bench: Bench,
  server: Server,
  address: string,
  bytes: number,
): Promise<Transferred> {
  const port = server.port ?? freePort();
  const command = server.serve(port, bytes);
  const { meter } = bench.workspace;
  const argv = [meter, "fetch", address, `${port}`];
  const fetching = bench.workspace.spawn({ as: command.as, argv });
  try {
    const said = new Response(fetching.stdout).text();
    const spent = await bench.workspace.spend(command);
    const [first = Number.NaN, end = Number.NaN, got] = (await said).trim().split(" ").map(Number);
    if (got !== bytes) throw new Error(`${got ?? "none"} of ${bytes} bytes came`);
    return { started: spent.startedNs, first, end, cpu: spent.cpuMs };
  } finally {
    fetching.kill("SIGKILL");
    await fetching.exited;
  }
}

/**
 * A port nobody has, below those the kernel hands out: who connects over and over to one of those
 * where nobody listens is at last given that very port, and is connected to itself.
 */
function freePort(): number {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    try {
      Bun.listen({ hostname: "0.0.0.0", port, socket: { data: () => undefined } }).stop(true);
      return port;
    } catch {
      // Taken: another one.
    }
  }
}
