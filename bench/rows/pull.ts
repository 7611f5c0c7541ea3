/** Pulling and unpacking: time, processor time and memory. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { podmanArguments } from "../contenders.ts";
import { bitsPerSecond, roundTripMs } from "../link.ts";
import type { Contender, Figures, Row } from "../measure.ts";
import type { Bench } from "../run.ts";
import type { Command, Identity } from "../workspace.ts";

const metrics = [
  { name: "wall", unit: "ms" },
  { name: "cpu", unit: "ms" },
  { name: "peak", unit: "MiB" },
];

async function timed(bench: Bench, command: Command): Promise<Figures> {
  // What earlier turns left to be written would be written at this turn's expense.
  Bun.spawnSync(["sync"]);
  const spent = await bench.workspace.spend(command);
  return { wall: spent.wallMs, cpu: spent.cpuMs, peak: spent.peakMiB };
}

const titles = {
  big: "one layer of 430 MB",
  many: "24 layers of 6 MB",
  layered: "8 layers, 1.1 GB in 40,000 files",
} as const;

/** A pull into an empty store from a registry on this machine. */
export async function pull(
  bench: Bench,
  as: Identity,
  name: "big" | "many" | "layered",
): Promise<Row> {
  const { registry } = bench.images;
  await bench.images[name]();
  const image = `${registry}/${name}`;
  const isBig = name === "big";
  return {
    group: "pull",
    title: `${titles[name]}, ${as.name}`,
    metrics,
    contenders: [
      ...(isBig ? [await pipeline(bench, as, image)] : []),
      ...contenders(bench, as, image),
      { name: "hippobox", missing: hippoboxMissing, turn: absent },
    ],
    yardstick: "podman",
    budgets: [
      { metric: "wall", max: 0.25, ratioTo: "podman" },
      { metric: "cpu", max: 0.4, ratioTo: "podman" },
      { metric: "peak", max: 150 },
    ],
    rounds: bench.rounds(5),
    warmups: 1,
    note: "peak: the largest process; the registry's own work is not counted",
  };
}

const hippoboxMissing = "it pulls only by TLS, and trusts only the CAs built into it";

function contenders(bench: Bench, as: Identity, image: string): Contender[] {
  return [ourPull(bench, as, image), podmanPull(bench, as, image), umociPull(bench, as, image)];
}

/** A pull through a slow line, beside what the same bytes take that are thrown away. */
export async function slowPull(bench: Bench, as: Identity): Promise<Row> {
  const digests = await bench.images.layered();
  const { registry, missing } = await bench.link();
  const image = `${registry}/layered`;
  const through = missing === undefined ? contenders(bench, as, image) : [];
  return {
    group: "link",
    title: `${titles.layered}, at ${bitsPerSecond / 1e6} Mbit/s and ${roundTripMs} ms, ${as.name}`,
    metrics,
    contenders: [fetchOnly(bench, as, { registry, digests, missing }), ...through],
    yardstick: "curl",
    budgets: [{ metric: "wall", max: 1.05, ratioTo: "curl" }],
    // What is measured is a line that is always the same, and slow.
    rounds: bench.rounds(1),
    warmups: 0,
    note: "curl: the layers' blobs one after another by one connection, and away with them",
  };
}

interface Blobs {
  readonly registry: string;
  readonly digests: readonly string[];
  readonly missing: string | undefined;
}

function fetchOnly(bench: Bench, as: Identity, { registry, digests, missing }: Blobs): Contender {
  const program = Bun.which("curl");
  const urls = digests.map((digest) => `http://${registry}/v2/layered/blobs/${digest}`);
  const argv = [program ?? "", "-sf", ...urls.flatMap((url) => ["-o", "/dev/null", url])];
  return {
    name: "curl",
    missing: missing ?? (program === null ? "not installed (apt-get install curl)" : undefined),
    turn: () => timed(bench, { as, argv }),
  };
}

/** What the parts cost without an image's checks: fetch, decompress, write. */
async function pipeline(bench: Bench, as: Identity, image: string): Promise<Contender> {
  const { digest } = await bench.images.big();
  const [registry, name] = image.split("/");
  const url = `http://${registry}/v2/${name}/blobs/${digest}`;
  const fetcher = Bun.which("curl") === null ? "wget -qO- " : "curl -s ";
  const turn = async () => {
    const directory = bench.workspace.makeDirectory(as, "pipeline");
    const script = `${fetcher} ${url} | gzip -dc | tar -xp -C ${directory}`;
    const figures = await timed(bench, { as, argv: ["/bin/sh", "-c", script] });
    rmSync(directory, { recursive: true });
    return figures;
  };
  return { name: "curl|gzip|tar", missing: bench.images.missing, turn };
}

function ourPull(bench: Bench, as: Identity, image: string): Contender {
  const launcher = bench.launchers(as).find(({ name }) => name === "hb");
  const program = launcher?.files[0] ?? "";
  const environment = { HB_ROOT: join(as.directory, "hb-pull") };
  const argv = [program, "pull", "-q", "--tls-verify=false", image];
  const turn = async () => {
    const figures = await timed(bench, { as, argv, environment });
    const emptied = bench.workspace.runSync({
      as,
      argv: [program, "prune", "--all"],
      environment,
    });
    if (emptied !== undefined) throw new Error(emptied);
    return figures;
  };
  return { name: "hb", missing: launcher?.missing, turn };
}

function podmanPull(bench: Bench, as: Identity, image: string): Contender {
  const launcher = bench.launchers(as).find(({ name }) => name === "podman");
  if (launcher?.missing !== undefined) return { ...launcher, turn: absent };
  const program = launcher?.files[0] ?? "podman";
  const global = podmanArguments(bench.workspace, as, program, "podman-pull");
  const turn = async () => {
    const argv = [...global, "pull", "--quiet", "--tls-verify=false", image];
    const figures = await timed(bench, { as, argv });
    const removed = bench.workspace.runSync({ as, argv: [...global, "rmi", "--force", image] });
    if (removed !== undefined) throw new Error(removed);
    return figures;
  };
  return { name: "podman", turn };
}

/** skopeo into a layout on disk, umoci out of it. */
function umociPull(bench: Bench, as: Identity, image: string): Contender {
  const name = "skopeo+umoci";
  const missing = ["skopeo", "umoci"].find((program) => Bun.which(program) === null);
  if (missing !== undefined) {
    return { name, missing: `no ${missing} (apt-get install ${missing})`, turn: absent };
  }
  const script =
    'skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$1" oci:layout:image && ' +
    `umoci unpack ${as.name === "root" ? "" : "--rootless"} --image layout:image bundle`;
  const turn = async () => {
    const directory = bench.workspace.makeDirectory(as, "umoci");
    const argv = ["/bin/sh", "-c", `cd "$2" && ${script}`, "pull", image, directory];
    const figures = await timed(bench, { as, argv });
    rmSync(directory, { recursive: true });
    return figures;
  };
  return { name, turn };
}

/** The helper alone, given the uncompressed layer. */
export async function unpack(bench: Bench, as: Identity): Promise<Row> {
  const { tar } = await bench.images.big();
  const directory = join(as.directory, "unpack");
  const withTar = async () => {
    bench.workspace.makeDirectory(as, "unpack");
    const argv = ["/bin/tar", "-xp", "-C", directory, "-f", tar];
    const figures = await timed(bench, { as, argv });
    rmSync(directory, { recursive: true });
    return figures;
  };
  return {
    group: "unpack",
    title: `430 MB of tar from a file, ${as.name}`,
    metrics,
    contenders: [{ name: "tar -xp", turn: withTar }, ourUnpack(bench, as, tar)],
    yardstick: "tar -xp",
    budgets: [],
    rounds: bench.rounds(5),
    warmups: 1,
  };
}

function ourUnpack(bench: Bench, as: Identity, tar: string): Contender {
  const { helper } = bench;
  const turn = async () => {
    const store = bench.workspace.makeDirectory(as, "unpack-hb");
    const [staging, commit] = [join(store, "staging"), join(store, "layer")];
    const places = ["--staging", staging, "--commit", commit];
    const argv = [helper ?? "", "unpack", ...as.mapFlags, ...places];
    // The commit the front end would give after its checks is here from the start.
    const script = 'layer=$1; shift; echo commit | exec "$@" 3<&0 <"$layer"';
    const shell = ["/bin/sh", "-c", script, "unpack", tar, ...argv];
    const figures = await timed(bench, { as, argv: shell });
    const remove = [helper ?? "", "remove", ...as.mapFlags, commit];
    const removed = bench.workspace.runSync({ as, argv: remove });
    if (removed !== undefined) throw new Error(removed);
    return figures;
  };
  const missing = helper === undefined ? "dist/embed/hb-init is not built" : undefined;
  return { name: "hb", missing, turn };
}

async function absent(): Promise<Figures> {
  return {};
}
