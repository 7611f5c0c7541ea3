import { describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { decompress, sniffCompression } from "./decompress.ts";

const text = new TextEncoder().encode("all the bytes of a layer ".repeat(10_000));

async function* inChunksOf(size: number, bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

async function drain(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompress(source)) chunks.push(Buffer.from(chunk));
  return Uint8Array.from(Buffer.concat(chunks));
}

async function failure(source: AsyncIterable<Uint8Array>): Promise<string> {
  try {
    await drain(source);
    return "no error";
  } catch (error) {
    return (error as Error).message;
  }
}

/** RFC 8878 3.1.2. */
const skippable = Buffer.from([0x5c, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
const half = text.length / 2;
const front = text.subarray(0, half);
const back = text.subarray(half);

const forms: [string, Uint8Array][] = [
  ["plain bytes", text],
  ["one gzip member", gzipSync(text)],
  ["several gzip members", Buffer.concat([front, new Uint8Array(), back].map((b) => gzipSync(b)))],
  ["a gzip member followed by zeros", Buffer.concat([gzipSync(text), new Uint8Array(512)])],
  ["one zstd frame", zstdCompressSync(text)],
  ["several zstd frames", Buffer.concat([zstdCompressSync(front), zstdCompressSync(back)])],
  [
    "skippable zstd frames before, between and after",
    Buffer.concat([
      skippable,
      zstdCompressSync(front),
      skippable,
      skippable,
      zstdCompressSync(back),
      skippable,
    ]),
  ],
];

describe("decompress()", () => {
  for (const [name, bytes] of forms) {
    for (const size of [1, 7, 65536]) {
      test(`gives all of ${name}, in chunks of ${size}`, async () => {
        const short = size === 1 && name === "plain bytes" ? bytes.subarray(0, 5000) : bytes;
        const expected = short === bytes ? text : short;
        expect(Buffer.compare(await drain(inChunksOf(size, short)), expected)).toBe(0);
      });
    }
  }

  test("gives nothing for nothing", async () => {
    expect((await drain(inChunksOf(1, new Uint8Array()))).length).toBe(0);
    expect((await drain(inChunksOf(9, gzipSync(new Uint8Array())))).length).toBe(0);
  });

  test("says that gzip is cut short", async () => {
    const cut = gzipSync(text).subarray(0, -9);
    expect(await failure(inChunksOf(100, cut))).toContain("cut short");
  });

  const noise = Uint8Array.from({ length: 9999 }, (_, i) => (i * i * 7919) >> 5);
  for (const [name, bytes] of [
    ["gzip", gzipSync(noise)],
    ["zstd", zstdCompressSync(noise)],
  ] as const) {
    test(`says that ${name} is corrupt`, async () => {
      const corrupt = Buffer.from(bytes);
      corrupt.fill(0xff, 5, 20);
      expect(await failure(inChunksOf(100, corrupt))).toContain("corrupt");
    });
  }

  test("passes on what its source throws, also after the last byte", async () => {
    async function* broken(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
      yield bytes;
      throw new Error("the digest differs");
    }
    expect(await failure(broken(gzipSync(text)))).toBe("the digest differs");
    expect(await failure(broken(gzipSync(text).subarray(0, 99)))).toBe("the digest differs");
    expect(await failure(broken(text))).toBe("the digest differs");
    const corrupt = Buffer.from(gzipSync(text)).fill(0xff, 10, 99);
    expect(await failure(broken(corrupt))).toBe("the digest differs");
  });

  test("reads its source to the end, whatever follows the compressed data", async () => {
    let ended = false;
    async function* padded(): AsyncGenerator<Uint8Array> {
      yield gzipSync(text);
      for (let i = 0; i < 100; i++) yield new Uint8Array(10_000);
      ended = true;
    }
    expect(Buffer.compare(await drain(padded()), text)).toBe(0);
    expect(ended).toBe(true);
  });

  test("closes its source when nobody wants more", async () => {
    let closed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield gzipSync(text);
      } finally {
        closed = true;
      }
    }
    for await (const chunk of decompress(endless())) if (chunk.length > 0) break;
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(true);
  });
});

describe("sniffCompression()", () => {
  test("refuses what no image may use, by name", () => {
    expect(() => sniffCompression(Buffer.from("BZh91AY&SY"))).toThrow("bzip2");
    expect(() => sniffCompression(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]))).toThrow("xz");
  });
});
