import { describe, expect, test } from "bun:test";
import { gather } from "./body.ts";

async function* chunks(lengths: readonly number[], failure?: Error): AsyncGenerator<Uint8Array> {
  for (const length of lengths) yield new Uint8Array(length).fill(length);
  if (failure !== undefined) throw failure;
}

async function piecesOf(source: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  return await Array.fromAsync(gather(source, 5));
}

describe("gather()", () => {
  test("joins small chunks, and leaves large ones as they are", async () => {
    const pieces = await piecesOf(chunks([2, 3, 9, 1, 1]));
    expect(pieces.map((piece) => [...piece])).toEqual([
      [2, 2, 3, 3, 3],
      [9, 9, 9, 9, 9, 9, 9, 9, 9],
      [1, 1],
    ]);
    expect(await piecesOf(chunks([]))).toEqual([]);
  });

  test("hands out what came before a failure, and then fails", async () => {
    const failure = new Error("reset");
    const got: number[] = [];
    const reading = (async () => {
      for await (const piece of gather(chunks([3], failure), 5)) got.push(piece.length);
    })();
    expect(reading).rejects.toBe(failure);
    await reading.catch(() => undefined);
    expect(got).toEqual([3]);
  });
});
