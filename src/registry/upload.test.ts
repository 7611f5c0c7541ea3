/** Uploads to registries that want pieces, refuse large ones, or break off in the middle. */

import { afterEach, describe, expect, test } from "bun:test";
import { digestOf } from "../image/digest.ts";
import { parseReference } from "../image/reference.ts";
import { openRegistry } from "./client.ts";

const bytes = Uint8Array.from({ length: 40 << 20 }, (_, i) => (i * 7919) >> 5);
const descriptor = {
  mediaType: "application/octet-stream",
  digest: digestOf(bytes),
  size: bytes.length,
};
const content = {
  size: bytes.length,
  slice: (start: number, end: number) => new Blob([bytes.slice(start, end)]),
};
const clock = { now: Date.now, sleep: async () => undefined, random: () => 0.5 };

/** What a test's registry does with an upload, and what it has got. */
interface Double {
  readonly onPut?: (request: Request) => Response | undefined;
  readonly onPatch?: (count: number) => Response | undefined;
  readonly chunkMin?: number;
}

let server: ReturnType<typeof Bun.serve> | undefined;
afterEach(() => server?.stop(true));

function start({ onPut, onPatch, chunkMin }: Double) {
  const got: { bytes: Buffer; requests: string[] } = { bytes: Buffer.alloc(0), requests: [] };
  let patches = 0;
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    maxRequestBodySize: 1 << 30,
    async fetch(request) {
      const url = new URL(request.url);
      got.requests.push(request.method);
      const headers = {
        location: "/v2/x/blobs/uploads/1?state=a",
        ...(chunkMin === undefined ? {} : { "oci-chunk-min-length": String(chunkMin) }),
      };
      if (url.pathname === "/v2/") return new Response("{}");
      if (request.method === "POST") {
        got.bytes = Buffer.alloc(0);
        return new Response(null, { status: 202, headers });
      }
      if (request.method === "GET") {
        const range = `0-${Math.max(0, got.bytes.length - 1)}`;
        return new Response(null, { status: 204, headers: { ...headers, range } });
      }
      const body = Buffer.from(await request.arrayBuffer());
      const refusal = request.method === "PUT" ? onPut?.(request) : onPatch?.(++patches);
      if (refusal !== undefined) return refusal;
      if (request.method === "PATCH") {
        const from = Number(request.headers.get("content-range")?.split("-")[0]);
        if (from !== got.bytes.length) return new Response(null, { status: 416 });
      }
      got.bytes = Buffer.concat([got.bytes, body]);
      const isEnd = request.method === "PUT";
      const isWhole = url.searchParams.get("digest") === digestOf(got.bytes);
      if (isEnd && !isWhole) return new Response(null, { status: 400 });
      return new Response(null, { status: isEnd ? 201 : 202, headers });
    },
  });
  const registry = openRegistry({ clock });
  const reference = parseReference(`127.0.0.1:${server.port}/x:1`);
  return { got, uploader: registry.uploader(reference, new AbortController().signal) };
}

describe("put()", () => {
  test("sends a blob in one piece", async () => {
    const { got, uploader } = start({});
    await uploader.put(descriptor, content);
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.requests.filter((method) => method !== "GET")).toEqual(["POST", "PUT"]);
  });

  test("sends chunks where the registry says how large they are to be", async () => {
    const { got, uploader } = start({ chunkMin: 20 << 20 });
    await uploader.put(descriptor, content);
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.requests.slice(1)).toEqual(["POST", "PATCH", "PATCH", "PUT"]);
  });

  test("sends chunks after a proxy has refused the whole", async () => {
    const tooLarge = (request: Request) =>
      Number(request.headers.get("content-length")) > 20 << 20
        ? new Response("too large", { status: 413 })
        : undefined;
    const { got, uploader } = start({ onPut: tooLarge });
    await uploader.put(descriptor, content);
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.requests.filter((method) => method === "PATCH")).toHaveLength(3);
  });

  test("goes on from where the registry is after a chunk was lost", async () => {
    const { got, uploader } = start({
      chunkMin: 1,
      onPatch: (count) => (count === 2 ? new Response(null, { status: 416 }) : undefined),
    });
    await uploader.put(descriptor, content);
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.requests.slice(1)).toEqual([
      ...["POST", "PATCH", "PATCH", "GET", "PATCH", "PATCH", "PUT"],
    ]);
  });

  test("gives up on a registry that refuses the blob, and says why", async () => {
    const denied = { errors: [{ code: "DENIED", message: "read only" }] };
    const { uploader } = start({ onPut: () => Response.json(denied, { status: 403 }) });
    await expect(uploader.put(descriptor, content)).rejects.toThrow(/DENIED: read only/);
  });
});

test("mount() is false where the registry starts an upload instead", async () => {
  const { uploader } = start({});
  expect(await uploader.mount(descriptor, "other")).toBe(false);
});
