/**
 * A real registry (Debian's docker-registry) for the tests, on a free port, in a folder of its own;
 * and the few requests of distribution-spec that fill it.
 */

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemPath } from "./packages.ts";

export interface Registry {
  /** `127.0.0.1:PORT`, or `[::1]:PORT`. */
  readonly host: string;
  stop(): Promise<void>;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ServerOptions {
  /** The configuration's section of that name. */
  readonly auth?: object;
  /** Files; with `clientCa` only clients whose certificate that CA has signed are served. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
  /** `127.0.0.1` unless said otherwise. */
  readonly address?: string;
  /** Put before the program, to run it elsewhere. */
  readonly enter?: readonly string[];
}

/**
 * Starts docker-registry on a port the kernel chooses and reads which from its log. Several of one
 * folder serve the same images.
 */
export async function startRegistry(
  folder: string,
  { auth, tls, address = "127.0.0.1", enter = [] }: ServerOptions = {},
): Promise<Registry> {
  const storage = join(folder, "registry");
  mkdirSync(storage, { recursive: true });
  const config = join(mkdtempSync(join(folder, "config-")), "registry.yml");
  const clientCas = tls?.clientCa === undefined ? "" : `, clientcas: ["${tls.clientCa}"]`;
  const secure = tls && `, tls: { certificate: "${tls.cert}", key: "${tls.key}"${clientCas} }`;
  writeFileSync(
    config,
    `version: 0.1
log: { level: info }
storage: { filesystem: { rootdirectory: "${storage}" }, delete: { enabled: true } }
http: { addr: "${address}:0"${secure ?? ""} }
${auth === undefined ? "" : `auth: ${JSON.stringify(auth)}\n`}`,
  );
  const program = Bun.which("docker-registry", { PATH: systemPath });
  if (program === null) throw new Error("docker-registry is not installed");
  const argv = [...enter, program, "serve", config];
  const server = Bun.spawn(argv, { stdout: "ignore", stderr: "pipe" });
  const host = await firstMatch(server.stderr, /listening on ([\d.]+:\d+|\[::1\]:\d+)/);
  const stop = async () => {
    server.kill();
    await server.exited;
  };
  return { host, stop };
}

/** Reads until a line matches, then keeps draining so that the writer never blocks. */
export async function firstMatch(stream: ReadableStream<Uint8Array>, pattern: RegExp) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    text += decoder.decode(chunk.value, { stream: true });
    const found = pattern.exec(text)?.[1];
    if (found === undefined) continue;
    void drain(reader);
    return found;
  }
  throw new Error(`ended before ${pattern}: ${text}`);
}

async function drain(reader: { read(): Promise<{ done: boolean }> }): Promise<void> {
  for (let chunk = await reader.read(); !chunk.done; ) chunk = await reader.read();
}

/** Uploads one blob in one piece; returns what names it. */
export async function pushBlob(
  host: string,
  repository: string,
  mediaType: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Descriptor> {
  const digest = sha256(bytes);
  const start = `http://${host}/v2/${repository}/blobs/uploads/`;
  const started = await expectStatus(202, await fetch(start, { method: "POST" }));
  const location = new URL(started.headers.get("Location") ?? "", start);
  location.searchParams.set("digest", digest);
  await expectStatus(201, await fetch(location, { method: "PUT", body: bytes }));
  return { mediaType, digest, size: bytes.length };
}

/** Uploads a manifest or an index under a tag. */
export async function pushDocument(
  host: string,
  repository: string,
  tag: string,
  mediaType: string,
  document: unknown,
): Promise<Descriptor> {
  const bytes = new TextEncoder().encode(JSON.stringify(document));
  const url = `http://${host}/v2/${repository}/manifests/${tag}`;
  const headers = { "Content-Type": mediaType };
  await expectStatus(201, await fetch(url, { method: "PUT", headers, body: bytes }));
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function expectStatus(status: number, response: Response): Promise<Response> {
  if (response.status === status) return response;
  throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
}
