/** Sizes as docker writes them (github.com/docker/go-units, RAMInBytes). Pure. */

import { UsageError } from "../errors.ts";

const POWERS = ["", "k", "m", "g", "t", "p"];

/** `64m`, `1.5GiB`, `65536` in bytes, or an error that names `flag`. */
export function parseSize(text: string, flag: string): number {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(amount) * 1024 ** POWERS.indexOf(unit.toLowerCase()));
  if (amount !== undefined && bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`Cannot use ${flag} ${JSON.stringify(text)}: that is no size`, {
    hint: "write bytes, or a number with k, m or g: 64m",
  });
}
