/**
 * Tar headers as image archives have them, read and written: POSIX pax, "ustar Interchange Format".
 *
 * Only names, kinds, sizes and link targets: an archive's members are looked up, never unpacked.
 * The tar of a layer is the helper's business. Pure.
 */

import { HbError } from "../errors.ts";

export const blockBytes = 512;
/** What an extended header may take, as in the helper. */
export const extendedBytesMax = 1 << 20;

/** The largest size of eleven octal digits. */
const fieldSizeMax = 8 ** 11 - 1;

/** One header block's meaning. */
export interface Header {
  readonly name: string;
  /** The type flag; `0` for the NUL of old formats. */
  readonly kind: string;
  readonly size: number;
  readonly link: string;
}

/** The header in `block`; undefined for a block of zeros, which ends an archive. */
export function parseHeader(block: Uint8Array): Header | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  let sum = 0;
  for (const [at, byte] of block.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte;
  if (sum !== number(block, 148, 8)) throw new HbError("a tar header has a wrong checksum");
  const prefix = text(block, 257, 6) === "ustar" && block[262] === 0 ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  const kind = String.fromCharCode(block[156] || 0x30);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    kind,
    size: number(block, 124, 12),
    link: text(block, 157, 100),
  };
}

/** The records of a pax header: `LENGTH KEY=VALUE\n`, the length in bytes. */
export function parsePax(bytes: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(latin(bytes.subarray(at, space)));
    const end = at + length;
    const isWhole = Number.isSafeInteger(length) && end <= bytes.length && bytes[end - 1] === 0x0a;
    const equals = bytes.indexOf(0x3d, space);
    if (!isWhole || equals < 0 || equals >= end) {
      throw new HbError("a pax header is malformed");
    }
    records.set(
      latin(bytes.subarray(space + 1, equals)),
      utf8(bytes.subarray(equals + 1, end - 1)),
    );
    at = end;
  }
  return records;
}

/** The header of a plain file, reproducible: nobody's, of 1970, readable by all. */
export function formatHeader(name: string, size: number): Uint8Array {
  const isPlain = Buffer.byteLength(name) <= 100 && size <= fieldSizeMax;
  const header = block(name, isPlain ? size : Math.min(size, fieldSizeMax), "0");
  if (isPlain) return header;
  const records = Buffer.from(record("path", name) + record("size", String(size)));
  const extended = block("PaxHeaders/entry", records.length, "x");
  return Buffer.concat([extended, records, padding(records.length), header]);
}

/** The header of a directory. */
export function formatDirectory(name: string): Uint8Array {
  return block(name, 0, "5");
}

/** Zeros up to the next block. */
export function padding(size: number): Uint8Array {
  return new Uint8Array((blockBytes - (size % blockBytes)) % blockBytes);
}

/** What ends an archive. */
export const endOfArchive: Uint8Array = new Uint8Array(2 * blockBytes);

function block(name: string, size: number, kind: string): Uint8Array {
  const header = Buffer.alloc(blockBytes);
  Buffer.from(name).copy(header, 0, 0, 100);
  header.write(kind === "5" ? "0000755\0" : "0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write(`        ${kind}`, 148);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

function record(key: string, value: string): string {
  const rest = Buffer.byteLength(key) + Buffer.byteLength(value) + 3;
  let length = rest + 1;
  while (String(length).length + rest !== length) length++;
  return `${length} ${key}=${value}\n`;
}

/** Octal text, or GNU's base-256 when the top bit of the first byte is set. */
function number(bytes: Uint8Array, at: number, length: number): number {
  const field = bytes.subarray(at, at + length);
  let value = 0;
  if (((field[0] ?? 0) & 0x80) !== 0) {
    for (const [i, byte] of field.entries()) value = value * 256 + (i === 0 ? byte & 0x7f : byte);
  } else {
    const digits = text(bytes, at, length).trim();
    if (!/^[0-7]*$/.test(digits)) throw new HbError("a tar header has a number that is none");
    value = Number.parseInt(digits || "0", 8);
  }
  if (Number.isSafeInteger(value)) return value;
  throw new HbError("a tar header has a number that is out of range");
}

function text(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return utf8(end < 0 ? field : field.subarray(0, end));
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function latin(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
