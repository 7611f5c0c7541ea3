/**
 * A real registry on a free loopback port, and the images the rows pull from it.
 *
 * Images are made of this machine's own files: `bench` (static busybox and the meter), `big` (one
 * layer of about 430 MB out of /usr), `many` (two dozen layers of the files that follow).
 */

import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Workspace } from "./workspace.ts";

const bigBytes = 430e6;
const manyLayers = 24;
const manyLayerBytes = 6e6;
const mediaType = "application/vnd.oci.image";
/** tar: the files named on standard input, below /. */
const listedFiles = ["-C", "/", "--no-recursion", "--null", "-T", "-"];

/** Where images are, or why they are not. */
export interface Images {
  /** `127.0.0.1:PORT`; absent when there is no registry, so nothing can be pulled. */
  readonly registry?: string;
  readonly missing?: string;
  /** The bench image's files, for those who take a directory. */
  readonly rootfs: string;
  /** The big layer, uncompressed and as pushed; made on demand. */
  readonly big: () => Promise<{ tar: string; gzip: string; digest: string }>;
  readonly many: () => Promise<void>;
}

/** Starts the registry and pushes the small image; the large ones come when a row asks. */
export async function makeImages(workspace: Workspace): Promise<Images> {
  const rootfs = makeRootfs(workspace);
  const files = lazy(async () => listFiles("/usr", bigBytes + manyLayers * manyLayerBytes));
  const program = Bun.which("docker-registry");
  const registry = program === null ? undefined : await startRegistry(workspace, program);
  const layer = await makeLayer(workspace, "bench", ["-C", rootfs, "."]);
  if (registry !== undefined) await pushImage(registry, "bench", [layer]);

  const big = lazy(async () => {
    const names = take(await files(), 0, bigBytes).names;
    const layer = await makeLayer(workspace, "big", listedFiles, names);
    if (registry !== undefined) await pushImage(registry, "big", [layer]);
    return layer;
  });
  const many = lazy(async () => {
    const layers: Layer[] = [];
    let from = take(await files(), 0, bigBytes).next;
    for (let i = 0; i < manyLayers; i++) {
      const { names, next } = take(await files(), from, manyLayerBytes);
      layers.push(await makeLayer(workspace, `many-${i}`, listedFiles, names));
      from = next;
    }
    if (registry !== undefined) await pushImage(registry, "many", layers);
  });
  if (registry === undefined) {
    return { missing: "no docker-registry (apt-get install docker-registry)", rootfs, big, many };
  }
  return { registry, rootfs, big, many };
}

/** busybox with its applets as links, the meter, and the mount points runtimes need. */
function makeRootfs(workspace: Workspace): string {
  const rootfs = join(workspace.directory, "rootfs");
  for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "volume"]) {
    mkdirSync(join(rootfs, name), { recursive: true });
  }
  const busybox = Bun.which("busybox");
  if (busybox === null) throw new Error("no busybox (apt-get install busybox-static)");
  copyFileSync(busybox, join(rootfs, "bin", "busybox"));
  for (const name of ["sh", "true", "cat", "dd", "tar", "wc", "sleep"]) {
    symlinkSync("busybox", join(rootfs, "bin", name));
  }
  copyFileSync(workspace.meter, join(rootfs, "bin", "meter"));
  writeFileSync(join(rootfs, "etc", "passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(join(rootfs, "etc", "group"), "root:x:0:\n");
  // A tree to read: a source directory's size, many small files.
  cpSync(import.meta.dir, join(rootfs, "tree", "bench"), { recursive: true });
  for (let i = 0; i < 40; i++) {
    const directory = join(rootfs, "tree", String(i));
    mkdirSync(directory, { recursive: true });
    for (let k = 0; k < 100; k++) writeFileSync(join(directory, String(k)), "x".repeat(k * 97));
  }
  return rootfs;
}

interface Layer {
  readonly tar: string;
  readonly gzip: string;
  readonly digest: string;
  readonly diffID: string;
  readonly sizeBytes: number;
}

async function makeLayer(
  workspace: Workspace,
  name: string,
  tarArguments: readonly string[],
  names: readonly string[] = [],
): Promise<Layer> {
  const tar = join(workspace.directory, `${name}.tar`);
  const gzip = `${tar}.gz`;
  const create = ["tar", "-cf", tar, "--format=posix", "--owner=0", "--group=0"];
  await run([...create, ...tarArguments], new TextEncoder().encode(names.join("\0")));
  await run([Bun.which("pigz") === null ? "gzip" : "pigz", "--keep", "--no-name", tar]);
  const [diffID, digest] = [await digestOfFile(tar), await digestOfFile(gzip)];
  return { tar, gzip, digest, diffID, sizeBytes: statSync(gzip).size };
}

async function run(argv: readonly string[], stdin = new Uint8Array()): Promise<void> {
  const child = Bun.spawn([...argv], { stdin, stdout: "ignore", stderr: "pipe" });
  const stderr = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`${argv.join(" ")}: ${stderr.trim()}`);
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of Bun.file(path).stream()) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
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
  for (; next < files.length && total < bytes; next++) {
    const file = files[next];
    if (file === undefined) break;
    names.push(file.name);
    total += file.sizeBytes;
  }
  return { names, next };
}

async function startRegistry(workspace: Workspace, program: string): Promise<string> {
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const config = join(workspace.directory, "registry.yml");
  const storage = { filesystem: { rootdirectory: join(workspace.directory, "registry") } };
  const log = { level: "info", accesslog: { disabled: true } };
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ version: 0.1, log, storage, http: { addr: address } }));
  const argv = [program, "serve", config];
  const child = Bun.spawn(argv, { env: {}, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  workspace.defer(async () => {
    child.kill();
    await child.exited;
  });
  const decoder = new TextDecoder();
  let said = "";
  const listening = Promise.withResolvers<void>();
  void (async () => {
    for await (const chunk of child.stderr) {
      if (said.length < 1e5) said += decoder.decode(chunk);
      if (said.includes("listening on")) listening.resolve();
    }
    listening.reject(new Error(`docker-registry: ${said.trim()}`));
  })();
  await listening.promise;
  return address;
}

function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address();
    server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
  });
  return promise;
}

async function pushImage(registry: string, name: string, layers: readonly Layer[]): Promise<void> {
  const base = `http://${registry}/v2/${name}`;
  const config = JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Env: ["PATH=/bin"], Cmd: ["/bin/sh"] },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffID }) => diffID) },
  });
  const configDigest = `sha256:${createHash("sha256").update(config).digest("hex")}`;
  for (const { digest, gzip } of layers) await pushBlob(base, digest, Bun.file(gzip));
  await pushBlob(base, configDigest, new Blob([config]));
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: `${mediaType}.manifest.v1+json`,
    config: {
      mediaType: `${mediaType}.config.v1+json`,
      digest: configDigest,
      size: Buffer.byteLength(config),
    },
    layers: layers.map(({ digest, sizeBytes }) => ({
      mediaType: `${mediaType}.layer.v1.tar+gzip`,
      digest,
      size: sizeBytes,
    })),
  });
  const headers = { "content-type": `${mediaType}.manifest.v1+json` };
  await expect(201, `${base}/manifests/latest`, { method: "PUT", body: manifest, headers });
}

async function pushBlob(base: string, digest: string, body: Blob): Promise<void> {
  const upload = await expect(202, `${base}/blobs/uploads/`, { method: "POST" });
  const location = new URL(upload.headers.get("location") ?? "", base);
  location.searchParams.set("digest", digest);
  const headers = { "content-type": "application/octet-stream" };
  await expect(201, location.href, { method: "PUT", body, headers });
}

async function expect(status: number, url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.status === status) return response;
  throw new Error(`${init.method} ${url}: ${response.status} ${await response.text()}`);
}

/** What `make` gives, made once and only when asked for. */
function lazy<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** The text of a small file, or nothing when it is not there. */
export function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
