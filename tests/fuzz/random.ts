/** Repeatable chance, and mutations by it. */

/** xorshift32 (Marsaglia 2003): the same numbers for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Zero would stay zero.
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    this.#state >>>= 0;
    return this.#state % Math.max(1, limit);
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new Error("cannot pick from nothing");
    return item;
  }

  /** `input` after a few changes: bytes, pieces of the grammar, cuts and repetitions. */
  mutate(input: Buffer, pieces: readonly string[]): Buffer {
    let result = input;
    for (let changes = 1 + this.below(4); changes > 0; changes--) {
      const at = this.below(result.length + 1);
      const to = at + this.below(Math.min(16, result.length - at + 1));
      const head = result.subarray(0, at);
      const tail = result.subarray(to);
      const insert = this.#insertion(result.subarray(at, to), pieces);
      result = Buffer.concat([head, insert, this.below(8) === 0 ? Buffer.of() : tail]);
    }
    return result.subarray(0, 8192);
  }

  #insertion(replaced: Buffer, pieces: readonly string[]): Buffer {
    switch (this.below(6)) {
      case 0:
        return Buffer.of(this.below(256));
      case 1:
        return Buffer.of(32 + this.below(95));
      case 2:
        return Buffer.of();
      case 3:
        return Buffer.concat(Array(1 + this.below(64)).fill(replaced));
      default:
        return Buffer.concat([replaced, Buffer.from(this.pick(pieces))]);
    }
  }
}
