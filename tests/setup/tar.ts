/**
 * A small tar writer for test images: pax with exactly the fields a test asks for.
 *
 * Independent of src/ and of the helper on purpose, and able to write what no honest tool writes.
 */

export interface Entry {
  readonly name: string | Uint8Array;
  /** tar's type flag; taken from the name and the other fields where absent. */
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds, or a decimal string with nanoseconds (written as a pax record). */
  readonly mtime?: number | string;
  readonly data?: string | Uint8Array;
  /** A symbolic link's target, or with `type: "1"` a hard link's. */
  readonly link?: string;
  readonly xattrs?: Readonly<Record<string, string | Uint8Array>>;
  readonly pax?: Readonly<Record<string, string>>;
  readonly device?: readonly [major: number, minor: number];
}

/** The archive of these entries in this order. */
export function tar(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  return concat([...entries.flatMap(blocksOf), new Uint8Array(1024)]);
}

function blocksOf(entry: Entry): Uint8Array[] {
  const name = bytesOf(entry.name);
  const data = bytesOf(entry.data ?? "");
  const records = paxRecords(entry, name);
  const header = headerOf(entry, name, typeOf(entry, name), data.length);
  const blocks = [header, data, padding(data.length)];
  if (records.length === 0) return blocks;
  const pax = headerOf({ name: "pax" }, bytesOf("pax"), "x", records.length);
  return [pax, records, padding(records.length), ...blocks];
}

function typeOf(entry: Entry, name: Uint8Array): string {
  if (entry.type !== undefined) return entry.type;
  if (entry.link !== undefined) return "2";
  return name.at(-1) === 0x2f ? "5" : "0";
}

function headerOf(entry: Entry, name: Uint8Array, type: string, size: number): Uint8Array {
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, width: number) =>
    header.write(
      `${value
        .toString(8)
        .padStart(width - 1, "0")
        .slice(1 - width)}\0`,
      at,
    );
  header.set(name.subarray(0, 100), 0);
  octal(
    entry.mode ?? (type === "5" || type === "0" ? (type === "5" ? 0o755 : 0o644) : 0o777),
    100,
    8,
  );
  octal(Math.min(entry.uid ?? 0, 0o7777777), 108, 8);
  octal(Math.min(entry.gid ?? 0, 0o7777777), 116, 8);
  octal(size, 124, 12);
  octal(Math.floor(Number(entry.mtime ?? 1_600_000_000)), 136, 12);
  header.write("        ", 148);
  header.write(type, 156);
  header.set(bytesOf(entry.link ?? "").subarray(0, 100), 157);
  header.write("ustar\x0000", 257);
  octal(entry.device?.[0] ?? 0, 329, 8);
  octal(entry.device?.[1] ?? 0, 337, 8);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

function paxRecords(entry: Entry, name: Uint8Array): Uint8Array {
  const records: [string, Uint8Array][] = [];
  if (name.length > 100) records.push(["path", name]);
  if ((entry.link?.length ?? 0) > 100) records.push(["linkpath", bytesOf(entry.link ?? "")]);
  if ((entry.uid ?? 0) > 0o7777777) records.push(["uid", bytesOf(String(entry.uid))]);
  if ((entry.gid ?? 0) > 0o7777777) records.push(["gid", bytesOf(String(entry.gid))]);
  if (typeof entry.mtime === "string") records.push(["mtime", bytesOf(entry.mtime)]);
  for (const [key, value] of Object.entries(entry.xattrs ?? {})) {
    records.push([`SCHILY.xattr.${key}`, bytesOf(value)]);
  }
  for (const [key, value] of Object.entries(entry.pax ?? {})) records.push([key, bytesOf(value)]);
  return concat(records.map(([key, value]) => paxRecord(key, value)));
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function paxRecord(key: string, value: Uint8Array): Uint8Array {
  const rest = concat([bytesOf(` ${key}=`), value, bytesOf("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return concat([bytesOf(String(length)), rest]);
}

function padding(length: number): Uint8Array {
  return new Uint8Array((512 - (length % 512)) % 512);
}

function bytesOf(value: string | Uint8Array): Uint8Array {
  return typeof value === "string" ? new TextEncoder().encode(value) : value;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.concat(parts));
}
