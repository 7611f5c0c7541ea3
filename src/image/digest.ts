/**
 * Digests: the names blobs go by. A `Digest` has been parsed once, strictly, and is therefore safe
 * to use in a path; nothing later checks it again.
 *
 * Follows image-spec descriptor.md, "Digests"; only its two registered algorithms are taken.
 */

import { HbError } from "../errors.ts";

declare const brand: unique symbol;

/** `sha256:<64 lower-case hex digits>` or `sha512:<128>`. */
export type Digest = string & { readonly [brand]: "digest" };

/** A digest algorithm, in the words `Bun.CryptoHasher` also uses. */
export type Algorithm = "sha256" | "sha512";

const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** `text` as a digest. Anything but the strict form is refused: digests become path components. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new HbError(`Cannot parse digest ${quote(text)}: ${digestDefect(text)}`);
}

/** Whether `text` is exactly a digest. */
export function isDigest(text: string): text is Digest {
  return digestPattern.test(text);
}

/** Why `text` is no digest, as the end of a sentence. */
export function digestDefect(text: string): string {
  const [algorithm, hex, ...rest] = text.split(":");
  if (algorithm === undefined || hex === undefined || rest.length > 0) {
    return "expected the form sha256:HEX";
  }
  if (algorithm !== "sha256" && algorithm !== "sha512") {
    return `unknown algorithm ${quote(algorithm)}, expected sha256 or sha512`;
  }
  const length = algorithm === "sha256" ? 64 : 128;
  if (/^[0-9a-fA-F]+$/.test(hex) && hex !== hex.toLowerCase())
    return "hex digits must be lower case";
  return `expected ${length} hex digits after ${algorithm}:, got ${quote(hex)}`;
}

/** The sha256 digest of `bytes`. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}` as Digest;
}

/** Whether `bytes` are the blob that `digest` names, by the digest's own algorithm. */
export function digestMatches(digest: Digest, bytes: Uint8Array): boolean {
  return (
    new Bun.CryptoHasher(digestAlgorithm(digest)).update(bytes).digest("hex") === digestHex(digest)
  );
}

/** The part after the colon: a safe file name. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** The part before the colon. */
export function digestAlgorithm(digest: Digest): Algorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** The first twelve hex digits, as people quote them. */
export function shortDigest(digest: Digest): string {
  return digestHex(digest).slice(0, 12);
}

/** `text` in double quotes, cut to what a message can carry. */
function quote(text: string): string {
  return JSON.stringify(text.length > 140 ? `${text.slice(0, 140)}…` : text);
}
