/** Compressing: what comes out must depend on what went in, and on nothing else. */

import { expect, test } from "bun:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { digestOf } from "../image/digest.ts";
import type { Compression } from "../image/media-type.ts";
import { compress } from "./compress.ts";

/** As compressible as a program: words in no order. */
const tar = Buffer.from(
  Array.from({ length: 200_000 }, (_, n) => `${(n * 7919) % 10007} `).join(""),
);

async function compressed(compression: Compression, chunkBytes: number): Promise<Buffer> {
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    // One buffer for all of them, as what comes from a pipe may be.
    const buffer = new Uint8Array(chunkBytes);
    for (let at = 0; at < tar.length; at += chunkBytes) {
      const chunk = tar.subarray(at, at + chunkBytes);
      buffer.set(chunk);
      yield buffer.subarray(0, chunk.length);
    }
  };
  const out: Uint8Array[] = [];
  for await (const chunk of compress(chunks(), compression)) out.push(Buffer.from(chunk));
  return Buffer.concat(out);
}

test.each([
  ["gzip", gunzipSync],
  ["zstd", zstdDecompressSync],
  ["none", (bytes: Buffer) => bytes],
] as const)(
  "a tar as %s is the same bytes in whatever pieces it comes",
  async (compression, open) => {
    const all = await Promise.all(
      [4096, 65_536, 100_000, 1 << 20].map((n) => compressed(compression, n)),
    );
    expect(new Set(all.map(digestOf)).size).toBe(1);
    expect(open(all[0] ?? Buffer.of()).equals(tar)).toBe(true);
  },
);

test("what fails in the tar fails in what is made of it", async () => {
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(10);
    throw new Error("no more of it");
  };
  const read = async () => {
    for await (const _ of compress(broken(), "gzip"));
  };
  await expect(read()).rejects.toThrow("no more of it");
});
