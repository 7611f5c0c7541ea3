/**
 * The images the rows run and pull, made of this machine's own files: `bench` (static busybox, the
 * meter, a tree of small files), `big` (one layer of about 430 MB out of /usr), `many` (two dozen
 * small layers of the same), and `layered`, which is generated.
 */

import { createHash } from "node:crypto";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type Layer, pushImage } from "../tests/setup/image.ts";
import {
  type Registry,
  type ServerOptions,
  sha256,
  startRegistry,
} from "../tests/setup/registry.ts";
import { generatedLayers } from "./generated.ts";
import type { Workspace } from "./workspace.ts";

const bigBytes = 430e6;
const manyLayers = 24;
const manyLayerBytes = 6e6;

/** tar: the files named on standard input, below /. */
const listedFiles = ["-C", "/", "--no-recursion", "--null", "-T", "-"];

/** Where images are, or why they are not. */
export interface Images {
  /** `127.0.0.1:PORT`; absent when there is no registry, so nothing can be pulled. */
  readonly registry?: string;
  readonly missing?: string;
  /** The bench image's files, for those who take a directory, and as a tar. */
  readonly rootfs: string;
  readonly tar: string;
  /** The big layer, made and pushed on demand: its tar, and its digest in the registry. */
  readonly big: () => Promise<{ tar: string; digest: string }>;
  readonly many: () => Promise<void>;
  /** Eight layers of a gigabyte, the digests of their blobs. */
  readonly layered: () => Promise<readonly string[]>;
  /** A second registry with the same images. */
  readonly serve: (options: ServerOptions) => Promise<Registry>;
}

/** Starts the registry and pushes the small image; the large ones come when a row asks. */
export async function makeImages(workspace: Workspace): Promise<Images> {
  const rootfs = makeRootfs(workspace);
  const folder = workspace.directory;
  const registry = Bun.which("docker-registry") === null ? undefined : await startRegistry(folder);
  if (registry !== undefined) workspace.defer(registry.stop);
  const push = async (name: string, layers: readonly Layer[]) => {
    const config = { Env: ["PATH=/bin"], Cmd: ["/bin/sh"] };
    if (registry !== undefined) await pushImage(registry.host, name, layers, { config });
  };

  const tar = join(folder, "bench.tar");
  await push("bench", [await makeLayer(tar, ["-C", rootfs, "."])]);
  const files = lazy(async () => listFiles("/usr", bigBytes));
  const big = lazy(async () => {
    const { names } = take(await files(), 0, bigBytes);
    const tar = join(folder, "big.tar");
    const layer = await makeLayer(tar, listedFiles, names);
    await push("big", [layer]);
    return { tar, digest: sha256(layer.blob) };
  });
  const many = lazy(async () => {
    const layers: Layer[] = [];
    let from = 0;
    for (let i = 0; i < manyLayers; i++) {
      const { names, next } = take(await files(), from, manyLayerBytes);
      layers.push(await makeLayer(join(folder, `many-${i}.tar`), listedFiles, names));
      from = next;
    }
    await push("many", layers);
  });
  const layered = lazy(async () => {
    const layers = generatedLayers(join(import.meta.dir, "..", ".toolchain", "bench"));
    await push("layered", layers);
    return layers.map(({ blob }) => sha256(blob));
  });
  const where =
    registry === undefined
      ? { missing: "no docker-registry (apt-get install docker-registry)" }
      : { registry: registry.host };
  const serve = (options: ServerOptions) => startRegistry(folder, options);
  return { ...where, rootfs, tar, big, many, layered, serve };
}

/** busybox with some applets as links, the meter, a tree, and the mount points runtimes need. */
function makeRootfs(workspace: Workspace): string {
  const rootfs = join(workspace.directory, "rootfs");
  for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "volume"]) {
    mkdirSync(join(rootfs, name), { recursive: true });
  }
  const busybox = Bun.which("busybox");
  if (busybox === null) throw new Error("no busybox (apt-get install busybox-static)");
  copyFileSync(busybox, join(rootfs, "bin", "busybox"));
  for (const name of ["sh", "true", "cat", "dd", "tar"]) {
    symlinkSync("busybox", join(rootfs, "bin", name));
  }
  copyFileSync(workspace.meter, join(rootfs, "bin", "meter"));
  writeFileSync(join(rootfs, "etc", "passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(join(rootfs, "etc", "group"), "root:x:0:\n");
  for (let i = 0; i < 40; i++) {
    const directory = join(rootfs, "tree", String(i));
    mkdirSync(directory, { recursive: true });
    for (let k = 0; k < 100; k++) writeFileSync(join(directory, String(k)), "x".repeat(k * 97));
  }
  return rootfs;
}

async function makeLayer(
  tar: string,
  tarArguments: readonly string[],
  names: readonly string[] = [],
): Promise<Layer> {
  const create = ["tar", "-cf", tar, "--format=posix", "--owner=0", "--group=0"];
  const whole = [...new Set(names.flatMap((name) => [...parentsOf(name), name]))];
  await run([...create, ...tarArguments], new TextEncoder().encode(whole.join("\0")));
  await run([Bun.which("pigz") === null ? "gzip" : "pigz", "--keep", "--no-name", tar]);
  const hash = createHash("sha256");
  for await (const chunk of Bun.file(tar).stream()) hash.update(chunk);
  return {
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    blob: Uint8Array.from(readFileSync(`${tar}.gz`)),
    diffID: `sha256:${hash.digest("hex")}`,
  };
}

/** A layer describes the directories it has files in, as those of builders do. */
function parentsOf(name: string): string[] {
  const parent = dirname(name);
  return parent === "." ? [] : [...parentsOf(parent), parent];
}

async function run(argv: readonly string[], stdin = new Uint8Array()): Promise<void> {
  const child = Bun.spawn([...argv], { stdin, stdout: "ignore", stderr: "pipe" });
  const stderr = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`${argv.join(" ")}: ${stderr.trim()}`);
}

interface Listed {
  readonly name: string;
  readonly sizeBytes: number;
}

/** Regular files below a directory in name order, until they add up. */
function listFiles(top: string, bytesMax: number): Listed[] {
  const found: Listed[] = [];
  let total = 0;
  const visit = (directory: string): void => {
    const entries = readdirSync(directory, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = join(directory, entry.name);
      if (total >= bytesMax) return;
      if (entry.isDirectory()) visit(name);
      if (!entry.isFile()) continue;
      const sizeBytes = statSync(name).size;
      // No single file may be half the layer, or the rows would measure one long write.
      if (sizeBytes > bytesMax / 10) continue;
      found.push({ name: name.slice(1), sizeBytes });
      total += sizeBytes;
    }
  };
  visit(top);
  return found;
}

function take(files: readonly Listed[], from: number, bytes: number) {
  const names: string[] = [];
  let total = 0;
  let next = from;
  for (; total < bytes; next++) {
    const file = files[next];
    if (file === undefined) break;
    names.push(file.name);
    total += file.sizeBytes;
  }
  return { names, next };
}

/** What `make` gives, made once and only when asked for. */
export function lazy<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
