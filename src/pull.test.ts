import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { formatError, HbError } from "./errors.ts";
import { currentIdentity, helperMapFlags } from "./host/identity.ts";
import { type Digest, digestHex, digestOf } from "./image/digest.ts";
import { ociConfig, ociManifest } from "./image/media-type.ts";
import { parseReference } from "./image/reference.ts";
import { type PulledImage, pullImage } from "./pull.ts";
import { findImage, listImages } from "./store/images.ts";
import { layerDiffPath, openStore, type StorePaths } from "./store/layout.ts";
import { pruneStore, removeImages } from "./store/prune.ts";

const gzipLayer = "application/vnd.oci.image.layer.v1.tar+gzip";
const platform = { os: "linux", architecture: "amd64" };
const identity = currentIdentity();
const mapFlags = helperMapFlags(identity);

/** What the registry has, by digest; a blob may be a function that serves it in its own way. */
const blobs = new Map<string, Uint8Array | (() => Response)>();
const manifests = new Map<string, Uint8Array>();
const fetched: string[] = [];

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request) {
    const [, , , kind = "", name = ""] = new URL(request.url).pathname.split("/");
    if (kind === "manifests" && manifests.has(name)) {
      return new Response(manifests.get(name), { headers: { "Content-Type": ociManifest } });
    }
    const blob = blobs.get(name);
    if (kind !== "blobs" || blob === undefined) return new Response("{}", { status: 404 });
    fetched.push(name);
    return typeof blob === "function" ? blob() : new Response(blob);
  },
});
afterAll(() => server.stop(true));

/** A tar of plain files, their directories included. */
function tar(files: Readonly<Record<string, string>>): Uint8Array {
  const entries = Object.entries(files).flatMap(([path, text]) => {
    const content = new TextEncoder().encode(text);
    const padding = new Uint8Array((512 - (content.length % 512)) % 512);
    return [header(path, content.length), content, padding];
  });
  return Buffer.concat([header("./", 0), ...entries, new Uint8Array(1024)]);
}

function header(path: string, size: number): Uint8Array {
  const block = Buffer.alloc(512);
  const put = (text: string, at: number): void => void block.write(text, at, "latin1");
  put(path, 0);
  put(path.endsWith("/") ? "0000755" : "0000644", 100);
  put("0000000", 108);
  put("0000000", 116);
  put(size.toString(8).padStart(11, "0"), 124);
  put("00000000000", 136);
  put("        ", 148);
  put(path.endsWith("/") ? "5" : "0", 156);
  put("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

interface TestLayer {
  readonly blob: Uint8Array;
  readonly diffID: Digest;
}

function layer(files: Readonly<Record<string, string>>): TestLayer {
  const bytes = tar(files);
  return { blob: gzipSync(bytes), diffID: digestOf(bytes) };
}

/** Pushes an image of `layers` as `x/y:TAG`. */
function push(tag: string, layers: readonly TestLayer[]): void {
  const config = new TextEncoder().encode(
    JSON.stringify({
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: layers.map(({ diffID }) => diffID) },
    }),
  );
  blobs.set(digestOf(config), config);
  for (const { blob } of layers) blobs.set(digestOf(blob), blob);
  const descriptor = (mediaType: string, bytes: Uint8Array) => {
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: descriptor(ociConfig, config),
    layers: layers.map(({ blob }) => descriptor(gzipLayer, blob)),
  };
  manifests.set(tag, new TextEncoder().encode(JSON.stringify(manifest)));
}

let store: StorePaths;

beforeEach(() => {
  store = openStore(join(mkdtempSync(join(tmpdir(), "hb-pull-")), "store"));
  blobs.clear();
  manifests.clear();
  fetched.length = 0;
});

const reference = (tag: string) => parseReference(`127.0.0.1:${server.port}/x:${tag}`);

function pull(tag: string, signal = new AbortController().signal): Promise<PulledImage> {
  const settings = { store, identity, platform, quiet: true, tlsVerify: true, signal };
  return pullImage(reference(tag), settings);
}

async function failure(pulling: Promise<unknown>): Promise<string> {
  return await pulling.then(
    () => "no error",
    (error: unknown) => formatError(error),
  );
}

function names(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

const a = layer({ "a.txt": "from a" });
const b = layer({ "b.txt": "from b" });

describe("pullImage()", () => {
  test("unpacks every layer and records the image", async () => {
    push("1", [a, b]);
    const { record, isNew } = await pull("1");
    expect(isNew).toBe(true);
    expect(record.layers).toEqual([digestHex(a.diffID), digestHex(b.diffID)]);
    expect(findImage(store, reference("1"), platform)).toEqual(record);
    const file = join(layerDiffPath(store, digestHex(b.diffID)), "b.txt");
    expect(readFileSync(file, "utf8")).toBe("from b");
    expect(names(store.tmp)).toEqual([]);
    expect((await pull("1")).isNew).toBe(false);
  });

  test("fetches a layer once, however often it occurs, and keeps its topmost place", async () => {
    push("1", [a, b, a]);
    const { record } = await pull("1");
    expect(record.layers).toEqual([digestHex(b.diffID), digestHex(a.diffID)]);
    expect(fetched.filter((digest) => digest === digestOf(a.blob))).toHaveLength(1);
  });

  test("begins with the largest layer, wherever it lies", async () => {
    const small = Array.from({ length: 12 }, (_, i) => layer({ small: String(i) }));
    const large = layer({ large: randomBytes(1000).toString("hex") });
    push("1", [...small, large]);
    await pull("1");
    // Before it the config, and layers that were asked for at the same time.
    expect(fetched.indexOf(digestOf(large.blob))).toBeLessThanOrEqual(6);
  });

  test("fetches no layer that is there, whatever image it came with", async () => {
    push("1", [a]);
    push("2", [a, b]);
    await pull("1");
    await pull("2");
    expect(fetched.filter((digest) => digest === digestOf(a.blob))).toHaveLength(1);
  });

  test("lets two pulls of one image share the work", async () => {
    push("1", [a, b]);
    const [one, two] = await Promise.all([pull("1"), pull("1")]);
    expect(one.record.layers).toEqual(two.record.layers);
    expect(fetched.filter((digest) => digest === digestOf(a.blob))).toHaveLength(1);
    expect(names(store.tmp)).toEqual([]);
  });

  test("takes an image without layers", async () => {
    push("1", []);
    expect((await pull("1")).record.layers).toEqual([]);
  });

  test("drops the layers of the image a moved tag meant before", async () => {
    push("1", [a]);
    await pull("1");
    push("1", [b]);
    await pull("1");
    expect(names(store.layers)).toEqual([digestHex(b.diffID)]);
  });

  const faults: [string, TestLayer, string][] = [
    ["whose content is not its diffID's", { ...a, diffID: b.diffID }, "diffID"],
    ["that is cut short", { ...a, blob: a.blob.subarray(0, -20) }, "cut short"],
    ["that is no tar", { blob: gzipSync("x".repeat(999)), diffID: a.diffID }, "layer"],
  ];
  for (const [what, broken, words] of faults) {
    test(`keeps nothing of a layer ${what}`, async () => {
      push("1", [broken]);
      expect(await failure(pull("1"))).toContain(words);
      expect(names(store.tmp)).toEqual([]);
      expect(names(store.layers)).toEqual([]);
      expect(listImages(store)).toEqual([]);
    });
  }

  test("names the layer the registry does not have", async () => {
    push("1", [a, b]);
    blobs.delete(digestOf(b.blob));
    expect(await failure(pull("1"))).toContain(digestHex(digestOf(b.blob)).slice(0, 12));
    expect(listImages(store)).toEqual([]);
    expect(names(store.tmp)).toEqual([]);
  });

  test("keeps nothing of what an abort interrupts, and throws its reason", async () => {
    push("1", [a]);
    const controller = new AbortController();
    const reason = new HbError("Interrupted by SIGINT", { exitCode: 130 });
    const started = Promise.withResolvers<void>();
    blobs.set(digestOf(a.blob), () => {
      const body = new ReadableStream<Uint8Array>({
        start(stream) {
          stream.enqueue(a.blob.subarray(0, 10));
          started.resolve();
        },
      });
      return new Response(body);
    });
    const pulling = pull("1", controller.signal);
    await started.promise;
    controller.abort(reason);
    expect(await pulling.catch((error: unknown) => error)).toBe(reason);
    expect(names(store.tmp)).toEqual([]);
    expect(names(store.layers)).toEqual([]);
  });
});

describe("the store after pulls", () => {
  test("loses with an image the layers only it had", async () => {
    push("1", [a]);
    push("2", [a, b]);
    await pull("1");
    await pull("2");
    const two = listImages(store).filter(({ record }) => record.reference.endsWith(":2"));
    removeImages(store, two, mapFlags);
    expect(names(store.layers)).toEqual([digestHex(a.diffID)]);
    expect(names(join(store.blobs, "sha256"))).toHaveLength(2);
    expect(names(store.tmp)).toEqual([]);
  });

  test("is empty after everything was pruned", async () => {
    push("1", [a, b]);
    await pull("1");
    expect(pruneStore(store, { mapFlags }).layers).toBe(0);
    const pruned = pruneStore(store, { choose: (unused) => unused, mapFlags });
    expect([pruned.images, pruned.layers, pruned.inUse]).toEqual([1, 2, []]);
    for (const place of [store.layers, store.images, store.tmp, join(store.blobs, "sha256")]) {
      expect(names(place)).toEqual([]);
    }
  });
});
