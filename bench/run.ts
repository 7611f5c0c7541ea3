/**
 * `bun run bench`: every row in one run, a table on standard output, dist/bench.json.
 *
 *   bun bench/run.ts [--quick] [--only start,pull,…] [--check]
 *
 * --quick takes few rounds; --only names groups (start, store, detached, logs, pull, link, unpack,
 * memory, files, calls, output, network, exec); --check exits 1 when a budget is missed. Run as
 * root it measures root and the rootless test user, run by anybody else it measures that user
 * alone.
 */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { separateCgroups } from "./cgroups.ts";
import { restoreAfterPodman } from "./cni.ts";
import { type Launcher, makeLaunchers } from "./contenders.ts";
import { type Images, lazy, makeImages } from "./images.ts";
import { type Link, makeLink } from "./link.ts";
import { play, type Result, type Row } from "./measure.ts";
import { detachedMemory, detachedStart } from "./rows/detached.ts";
import { exec } from "./rows/exec.ts";
import { readTree, rootFiles, smallFiles, systemCalls } from "./rows/files.ts";
import { logging } from "./rows/logs.ts";
import { memory } from "./rows/memory.ts";
import { downloads, firstByte, networkStart } from "./rows/network.ts";
import { pull, slowPull, unpack } from "./rows/pull.ts";
import { coldStart, phases, warmStart } from "./rows/start.ts";
import { listing, startAmongMany } from "./rows/store.ts";
import { output } from "./rows/throughput.ts";
import { formatResult } from "./table.ts";
import { type Identity, Workspace } from "./workspace.ts";

const repository = join(import.meta.dir, "..");

/** What a row may use. */
export interface Bench {
  readonly workspace: Workspace;
  readonly images: Images;
  /** hb-init by itself; absent when not built. */
  readonly helper: string | undefined;
  launchers(as: Identity): readonly Launcher[];
  /** The slow line, made when first asked for. */
  link(): Promise<Link>;
  /** The rounds asked for, or the few of `--quick`. */
  rounds(wanted: number): number;
}

interface Options {
  readonly quick: boolean;
  readonly check: boolean;
  readonly only: readonly string[];
}

const groups: Readonly<Record<string, (bench: Bench, as: Identity) => Promise<Row>[] | Row[]>> = {
  start: (bench, as) => [
    warmStart(bench, as, "none"),
    warmStart(bench, as, "host"),
    coldStart(bench, as),
    phases(bench, as),
  ],
  store: (bench, as) => [listing(bench, as), startAmongMany(bench, as)],
  detached: (bench, as) => [
    detachedStart(bench, as),
    detachedMemory(bench, as, 1),
    detachedMemory(bench, as, 100),
  ],
  logs: (bench, as) => [logging(bench, as)],
  pull: (bench, as) => [
    pull(bench, as, "big"),
    pull(bench, as, "many"),
    pull(bench, as, "layered"),
  ],
  link: (bench, as) => [slowPull(bench, as)],
  unpack: (bench, as) => [unpack(bench, as)],
  memory: (bench, as) => [memory(bench, as, 1), memory(bench, as, 20)],
  files: (bench, as) => [smallFiles(bench, as), rootFiles(bench, as), readTree(bench, as)],
  calls: (bench, as) => [systemCalls(bench, as)],
  output: (bench, as) => [output(bench, as, "pipe"), output(bench, as, "file")],
  network: (bench, as) => [networkStart(bench, as), firstByte(bench, as), ...downloads(bench, as)],
  // Last: its containers stay, and podman's would share pages with those whose memory is counted.
  exec: (bench, as) => [exec(bench, as)],
};

function parseOptions(argv: readonly string[]): Options {
  const rest = [...argv];
  const flag = (name: string) => {
    const at = rest.indexOf(name);
    if (at >= 0) rest.splice(at, 1);
    return at >= 0;
  };
  const [quick, check] = [flag("--quick"), flag("--check")];
  const at = rest.findIndex((arg) => arg.startsWith("--only"));
  const value = rest[at]?.split("=")[1] ?? rest[at + 1] ?? "";
  const only = at < 0 ? Object.keys(groups) : value.split(",");
  if (at >= 0) rest.splice(at, rest[at]?.includes("=") ? 1 : 2);
  const unknown = [...rest, ...only.filter((name) => groups[name] === undefined)];
  if (unknown.length > 0) {
    const usage = `[--quick] [--check] [--only ${Object.keys(groups).join(",")}]`;
    throw new Error(`unknown: ${unknown.join(" ")}; usage: bun bench/run.ts ${usage}`);
  }
  return { quick, check, only };
}

async function makeBench(workspace: Workspace, options: Options): Promise<Bench> {
  const built = (path: string, name: string) => {
    const original = join(repository, "dist", path);
    return existsSync(original) ? workspace.install(original, name) : undefined;
  };
  const hb = built("hb", "hb");
  const helper = built(join("embed", "hb-init"), "hb-init");
  separateCgroups(workspace);
  restoreAfterPodman(workspace);
  const images = await makeImages(workspace);
  const launchers = new Map<Identity, readonly Launcher[]>();
  for (const identity of workspace.identities) {
    launchers.set(identity, await makeLaunchers(workspace, images, identity, hb));
  }
  return {
    workspace,
    images,
    helper,
    launchers: (as) => launchers.get(as) ?? [],
    link: lazy(() => makeLink(workspace, images)),
    rounds: (wanted) => (options.quick ? Math.min(wanted, 3) : wanted),
  };
}

async function measureAll(bench: Bench, only: readonly string[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const name of only) {
    for (const identity of bench.workspace.identities) {
      for (const row of groups[name]?.(bench, identity) ?? []) {
        const result = await play(await row);
        console.log(formatResult(result));
        results.push(result);
      }
    }
  }
  return results;
}

function versionOf(program: string): string | undefined {
  if (Bun.which(program) === null) return undefined;
  const { stdout } = Bun.spawnSync([program, "--version"], { stderr: "ignore" });
  return stdout.toString().split("\n")[0];
}

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  const workspace = new Workspace(repository);
  const stop = async () => {
    await workspace.close();
    process.exit(130);
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  try {
    const names = workspace.identities.map(({ name }) => name);
    if (!names.includes("root")) console.log("The rows as root are left out: not run as root\n");
    if (!workspace.hasOwnDisk) console.log("Files are made on this machine's own file system\n");
    if (!names.includes("rootless")) {
      console.log("The rootless rows are left out: no user hb-test (the tests make it)\n");
    }
    const results = await measureAll(await makeBench(workspace, options), options.only);
    const machine = {
      cpus: cpus().length,
      model: cpus()[0]?.model,
      kernel: release(),
      versions: ["podman", "crun", "runc", "bwrap", "slirp4netns", "skopeo", "umoci"]
        .map(versionOf)
        .filter((v) => v !== undefined),
    };
    const report = { date: new Date().toISOString(), quick: options.quick, machine, results };
    mkdirSync(join(repository, "dist"), { recursive: true });
    const file = join(repository, "dist", "bench.json");
    writeFileSync(file, `${JSON.stringify(report, undefined, 1)}\n`);
    const missed = results.flatMap(({ verdicts }) => verdicts.filter(({ met }) => met === false));
    console.log(`${missed.length} budgets missed; all figures in dist/bench.json`);
    return options.check && missed.length > 0 ? 1 : 0;
  } finally {
    await workspace.close();
  }
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
