/** The client against a real registry in this process, under each of its faults. */

import { describe, expect, test } from "bun:test";
import type { FaultName } from "../../tests/registry/faults.ts";
import { randomImage } from "../../tests/registry/image.ts";
import { type RunningRegistry, startRegistry } from "../../tests/registry/server.ts";
import { formatError } from "../errors.ts";
import { pairLayers, parseConfig } from "../image/config.ts";
import { digestOf } from "../image/digest.ts";
import { type Manifest, parseDocument, selectManifest } from "../image/manifest.ts";
import { parseReference } from "../image/reference.ts";
import { openRegistry, type Registry } from "./client.ts";
import { RegistryError } from "./registry-error.ts";
import type { Clock } from "./retry.ts";

/** A clock whose sleeps take no time and are written down. */
class TestClock implements Clock {
  readonly sleeps: number[] = [];
  time = 1_000_000;
  readonly now = (): number => this.time;
  readonly random = (): number => 1;
  readonly sleep = async (ms: number): Promise<void> => {
    this.sleeps.push(ms);
    this.time += ms;
  };
}

interface Trial {
  readonly server: RunningRegistry;
  readonly client: Registry;
  readonly clock: TestClock;
  readonly notices: string[];
}

/** Runs `body` against a registry with `faults`. */
async function withFaults<T>(
  faults: readonly FaultName[],
  body: (trial: Trial) => Promise<T>,
  timeoutMs = 5000,
): Promise<T> {
  await using server = await startRegistry({ faults });
  const clock = new TestClock();
  const notices: string[] = [];
  const client = openRegistry({
    clock,
    notice: (line) => notices.push(line),
    stallTimeoutMs: timeoutMs,
    headerTimeoutMs: timeoutMs,
  });
  return await body({ server, client, clock, notices });
}

/** Everything a pull asks for; the layers' digests as they arrived. */
async function pullAll({ client, server }: Pick<Trial, "client" | "server">): Promise<string[]> {
  const reference = parseReference(server.reference);
  let document = await client.resolve(reference);
  let parsed = parseDocument(document.bytes, document.mediaType);
  if (parsed.kind === "index") {
    const entry = selectManifest(parsed, { os: "linux", architecture: "amd64" });
    document = await client.fetchDocument(reference, entry);
    parsed = parseDocument(document.bytes, entry.mediaType);
  }
  const manifest = parsed as Manifest;
  const config = parseConfig((await client.fetchDocument(reference, manifest.config)).bytes);
  const digests: string[] = [];
  for (const { descriptor } of pairLayers(manifest, config)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of client.fetchBlob(reference, descriptor)) chunks.push(chunk);
    digests.push(digestOf(Buffer.concat(chunks)));
  }
  return digests;
}

const layerDigests = randomImage()
  .blobs.slice(1)
  .map(({ digest }) => digest);

/** The one line a user sees when pulling under `fault`. */
function failure(fault: FaultName, timeoutMs?: number): Promise<string> {
  const attempt = async (trial: Trial): Promise<string> => {
    try {
      await pullAll(trial);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      return formatError(error).replaceAll(trial.server.host, "HOST");
    }
    throw new Error(`a pull under ${fault} should have failed`);
  };
  return withFaults([fault], attempt, timeoutMs);
}

describe("a pull succeeds", () => {
  const survivable: readonly FaultName[] = [
    "none",
    "token-required",
    "access-token",
    "short-lived-token",
    "drop-once",
    "drop-thrice",
    "drop-no-range",
    "drop-416",
    "drop-manifest",
    "hang-up-once",
    "no-content-length",
    "untyped",
    "content-encoding",
    "rate-limit-once",
    "error-twice",
    "redirect-elsewhere",
  ];
  for (const fault of survivable) {
    test(`under ${fault}`, async () => {
      expect(await withFaults([fault], pullAll)).toEqual(layerDigests);
    });
  }

  test("under stall, by a new connection", async () => {
    expect(await withFaults(["stall"], pullAll, 100)).toEqual(layerDigests);
  });
});

describe("a pull fails in one line", () => {
  const expected: readonly (readonly [FaultName, RegExp])[] = [
    ["no-token", /token endpoint HOST sent no token$/],
    ["bad-token", /token endpoint HOST sent no token$/],
    ["token-denied", /UNAUTHORIZED: who are you; it needs a login or does not exist/],
    ["auth-loop", /UNAUTHORIZED: authentication required; it needs a login or does not exist/],
    ["basic-only", /the registry wants a login \(basic\); it needs a login/],
    ["insecure-realm", /names no usable token endpoint$/],
    ["garbled-challenge", /WWW-Authenticate header: a quoted string does not end$/],
    [
      "drop-always",
      /after 32\d\d\d of 6\d\d\d\d bytes: HOST closed the connection; try again later$/,
    ],
    ["drop-other-range", /HOST answers with another range$/],
    [
      "wrong-digest",
      /^Cannot get blob sha256:\w+ of HOST\/test\/image: its content does not match/,
    ],
    ["wrong-config", /^Cannot get config .*: its content does not match its digest/],
    ["wrong-manifest", /^Cannot get manifest HOST\/test\/image:latest: its content does not match/],
    ["too-long", /its size should be \d+ bytes, the registry has \d+; blob/],
    ["too-long-unannounced", /its size should be \d+ bytes, the registry has more; blob/],
    ["truncated", /it ends after \d+ of \d+ bytes; the blob is truncated/],
    ["missing-blob", /BLOB_UNKNOWN: blob unknown to registry; check the name/],
    ["rate-limit-hours", /TOOMANYREQUESTS: you have .* HOST limits .* try again in 6 h, or log in/],
    ["error-always", /503 service unavailable; HOST is failing: try again later$/],
    [
      "denied",
      /DENIED: requested .*; it needs a login or .*: check the name, or use .hb login HOST.$/,
    ],
    ["endless-error", /404 not found; check the name and the tag$/],
    ["redirect-loop", /more than 5 redirects/],
    ["redirect-nowhere", /HOST redirects to no usable address$/],
    ["large-manifest", /it is larger than 4194304 bytes$/],
    ["wrong-type", /it says ".*manifest.v1\+json" but is served as ".*index.v1\+json"$/],
    ["web-page", /HOST answers with a web page; check the registry's name/],
    ["not-json", /^Cannot read manifest: not JSON \(.*\)$/],
    ["two-faced", /it claims to be an index and a manifest at once$/],
    ["schema-1", /it is docker's schema 1, obsolete since 2017; ask the publisher/],
    [
      "path-digest",
      /^Cannot read manifest.layers\[0\].digest: expected 64 hex digits after sha256:/,
    ],
    ["other-platform", /^No image for linux\/amd64; available: linux\/s390x; choose one/],
  ];
  for (const [fault, pattern] of expected) {
    test(`under ${fault}`, async () => {
      const line = await failure(fault);
      expect(line).toMatch(pattern);
      expect(line).not.toContain("secret");
      expect(line).not.toContain("\n");
    });
  }

  test("under stall-always, once nothing has come for long enough", async () => {
    expect(await failure("stall-always", 40)).toMatch(/bytes: HOST does not answer; check the/);
  });

  test("under trickle, which is as good as nothing", async () => {
    expect(await failure("trickle", 60)).toMatch(/HOST does not answer; check the network/);
  });

  test("under silent", async () => {
    expect(await failure("silent", 40)).toMatch(/HOST does not answer; check the network/);
  });

  test("when nobody listens", async () => {
    const server = await startRegistry();
    await server.stop();
    const client = openRegistry({ clock: new TestClock() });
    const error = await client.resolve(parseReference(server.reference)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RegistryError);
    expect(formatError(error)).toContain(
      `${server.host} refuses connections; check the registry's`,
    );
  });
});

describe("fetchBlob()", () => {
  test("resumes where the connection broke, asking for each byte once", async () => {
    await withFaults(["drop-once"], async (trial) => {
      await pullAll(trial);
      const ranges = trial.server.requests.flatMap(({ range }) => range ?? []);
      expect(ranges.every((range) => /^bytes=3\d{4}-$/.test(range))).toBe(true);
      expect(ranges.length).toBe(2);
    });
  });

  test("gives up after five failures in a row without progress", async () => {
    await withFaults(["drop-always"], async (trial) => {
      await expect(pullAll(trial)).rejects.toThrow("closed the connection");
      expect(trial.server.requests.filter(({ path }) => path.includes("/blobs/")).length).toBe(6);
      expect(trial.clock.sleeps).toEqual([500, 1000, 2000, 4000]);
    });
  });

  test("stops at once when its signal aborts", async () => {
    // Half of it is more than is gathered.
    const images = { "stalling:1": randomImage({ layers: 1, layerBytes: 1024 * 1024 }) };
    await using server = await startRegistry({ images, faults: ["stall-always"] });
    const client = openRegistry();
    const reference = parseReference(server.reference);
    const document = await client.resolve(reference);
    const manifest = parseDocument(document.bytes, document.mediaType) as Manifest;
    const controller = new AbortController();
    const [layer] = manifest.layers;
    if (layer === undefined) throw new Error("the test image has no layer");
    const blob = client.fetchBlob(reference, layer, { signal: controller.signal });
    await blob.next();
    controller.abort(new Error("interrupted"));
    await expect(drain(blob)).rejects.toThrow("interrupted");
  });

  test("hands a large blob on in small chunks", async () => {
    const image = randomImage({ layers: 1, layerBytes: 16 << 20 });
    await using server = await startRegistry({ images: { "big:1": image } });
    const client = openRegistry();
    const reference = parseReference(server.reference);
    const document = await client.resolve(reference);
    const manifest = parseDocument(document.bytes, document.mediaType) as Manifest;
    const [layer] = manifest.layers;
    if (layer === undefined) throw new Error("the test image has no layer");
    let chunkBytesMax = 0;
    for await (const chunk of client.fetchBlob(reference, layer)) {
      chunkBytesMax = Math.max(chunkBytesMax, chunk.length);
    }
    expect(chunkBytesMax).toBeLessThan(8 * 1024 * 1024);
  });
});

describe("authorization", () => {
  test("is asked for once and used for every request of a repository", async () => {
    await withFaults(["token-required"], async (trial) => {
      await pullAll(trial);
      const tokens = trial.server.requests.filter(({ path }) => path.startsWith("/token"));
      expect(tokens.map(({ path }) => decodeURIComponent(path))).toEqual([
        "/token?service=test&scope=repository:test/image:pull",
      ]);
    });
  });

  test("is asked for once by layers side by side", async () => {
    await withFaults(["token-required"], async ({ client, server }) => {
      const reference = parseReference(server.reference);
      await Promise.all(Array.from({ length: 5 }, () => client.resolve(reference)));
      const tokens = server.requests.filter(({ path }) => path.startsWith("/token"));
      expect(tokens.length).toBe(1);
    });
  });

  test("is renewed when it has expired", async () => {
    await withFaults(["token-required"], async ({ client, server, clock }) => {
      const reference = parseReference(server.reference);
      await client.resolve(reference);
      clock.time += 301_000;
      await client.resolve(reference);
      const tokens = server.requests.filter(({ path }) => path.startsWith("/token"));
      expect(tokens.length).toBe(2);
    });
  });

  test("never follows a redirect to another host", async () => {
    await withFaults(["redirect-elsewhere"], async (trial) => {
      await pullAll(trial);
      expect(trial.server.elsewhere.length).toBe(3);
      expect(trial.server.elsewhere.every(({ authorization }) => authorization === undefined)).toBe(
        true,
      );
    });
  });

  test("that is refused when new is not asked for again", async () => {
    await withFaults(["auth-loop"], async (trial) => {
      await expect(pullAll(trial)).rejects.toThrow("UNAUTHORIZED");
      expect(trial.server.requests.length).toBeLessThan(5);
    });
  });
});

describe("TLS", () => {
  test("is found by itself on this machine, and its certificate is checked", async () => {
    await using server = await startRegistry({ tls: true });
    const client = openRegistry({ clock: new TestClock() });
    const error = await client.resolve(parseReference(server.reference)).catch((e: unknown) => e);
    expect(formatError(error)).toMatch(
      /is from an unknown authority .*; put its CA certificate into ~\/\S+ca\.crt, name it with --/,
    );
  });

  test("is taken unchecked when asked for, with a notice", async () => {
    await using server = await startRegistry({ tls: true });
    const notices: string[] = [];
    const notice = (line: string): void => void notices.push(line);
    const client = openRegistry({ clock: new TestClock(), tlsVerify: false, notice });
    expect(await pullAll({ client, server })).toEqual(layerDigests);
    expect(notices).toEqual([`The TLS certificate of ${server.host} is not checked`]);
  });

  test("is required of other hosts, and plain HTTP a choice with a notice", async () => {
    await using server = await startRegistry();
    // A stand-in for the name service: fetch goes to the test registry under another name.
    const rerouted = (async (input: Request, init?: RequestInit): Promise<Response> => {
      const url = new URL(input.url);
      url.host = server.host;
      return await fetch(new Request(url.href, input), init);
    }) as typeof globalThis.fetch;
    const reference = { registry: "registry.test", repository: "test/image", tag: "latest" };

    const strict = openRegistry({ clock: new TestClock(), fetch: rerouted });
    const error = await strict.resolve(reference).catch((e: unknown) => e);
    expect(formatError(error)).toMatch(
      /TLS handshake with registry.test fails; .*--tls-verify=false/,
    );

    const notices: string[] = [];
    const notice = (line: string): void => void notices.push(line);
    const lax = openRegistry({ clock: new TestClock(), fetch: rerouted, tlsVerify: false, notice });
    expect((await lax.resolve(reference)).bytes.length).toBeGreaterThan(0);
    expect(notices.length).toBe(1);
    expect(notices[0]).toMatch(/^registry.test has no TLS: anyone on the way can read/);
  });
});

describe("waiting", () => {
  test("is what Retry-After asks for", async () => {
    await withFaults(["rate-limit-once"], async (trial) => {
      await pullAll(trial);
      expect(trial.clock.sleeps).toEqual([1000, 1000, 1000, 1000]);
    });
  });

  test("doubles from half a second otherwise", async () => {
    await withFaults(["error-always"], async (trial) => {
      await expect(pullAll(trial)).rejects.toThrow("503");
      expect(trial.clock.sleeps).toEqual([500, 1000, 2000, 4000]);
    });
  });

  test("is not done for hours: the user is told", async () => {
    await withFaults(["rate-limit-hours"], async (trial) => {
      await expect(pullAll(trial)).rejects.toThrow("TOOMANYREQUESTS");
      expect(trial.clock.sleeps).toEqual([]);
    });
  });
});

async function drain(blob: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const chunk of blob) length += chunk.length;
  return length;
}
