/** Digests: the strict form and nothing else. */

import { expect, test } from "bun:test";
import { digestAlgorithm, digestHex, digestMatches, digestOf, parseDigest } from "./digest.ts";

const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

test("digestOf() is sha256", () => {
  expect(String(digestOf(""))).toBe(empty);
});

test("digestHex() and digestAlgorithm() take a digest apart", () => {
  expect(digestHex(parseDigest(empty))).toBe(empty.slice(7));
  expect(digestAlgorithm(parseDigest(empty))).toBe("sha256");
  expect(digestAlgorithm(parseDigest(`sha512:${"0".repeat(128)}`))).toBe("sha512");
});

test("digestMatches() checks by the digest's own algorithm", () => {
  const bytes = Buffer.from("abc");
  const sha512 = new Bun.CryptoHasher("sha512").update(bytes).digest("hex");
  expect(digestMatches(parseDigest(`sha512:${sha512}`), bytes)).toBe(true);
  expect(digestMatches(parseDigest(empty), bytes)).toBe(false);
});

for (const text of [
  "",
  "sha256:",
  empty.toUpperCase(),
  `${empty}\n`,
  ` ${empty}`,
  `${empty}0`,
  empty.slice(0, -1),
  "sha256:../../../../../../../../../../../../../../../../../../../../etc/",
  `sha1:${"0".repeat(40)}`,
  `sha512:${"0".repeat(64)}`,
]) {
  test(`parseDigest() refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
    expect(() => parseDigest(text)).toThrow("Cannot parse digest");
  });
}
