/**
 * Writes tar archives for test layers: ustar headers, and a PAX record where one is asked for or a
 * name is too long. Not for large files: an archive is made in memory.
 */

export interface TarEntry {
  /** As it shall stand in the archive; a directory's slash is added. */
  readonly name: string;
  readonly type?: keyof typeof typeFlags;
  readonly content?: Uint8Array | string;
  readonly linkname?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds. */
  readonly mtime?: number;
  readonly device?: { readonly major: number; readonly minor: number };
  /** PAX records, as `SCHILY.xattr.user.a`. */
  readonly pax?: Readonly<Record<string, string>>;
}

const typeFlags = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
  pax: "x",
};

const blockBytes = 512;

/** An archive of `entries` in the given order, with its two zero blocks. */
export function writeTar(entries: readonly TarEntry[]): Uint8Array {
  const blocks = entries.flatMap((entry) => writeEntry(entry));
  blocks.push(new Uint8Array(2 * blockBytes));
  return Buffer.concat(blocks);
}

function writeEntry(entry: TarEntry): Uint8Array[] {
  const type = entry.type ?? "file";
  const name = type === "directory" && !entry.name.endsWith("/") ? `${entry.name}/` : entry.name;
  const content =
    type === "file" || type === "pax" ? Buffer.from(entry.content ?? "") : Buffer.of();
  const records: Record<string, string> = { ...entry.pax };
  if (Buffer.byteLength(name) > 100) records.path = name;
  if (Buffer.byteLength(entry.linkname ?? "") > 100) records.linkpath = entry.linkname ?? "";
  const blocks: Uint8Array[] = [];
  if (Object.keys(records).length > 0) {
    const body = Object.entries(records).map(([key, value]) => paxRecord(key, value));
    blocks.push(...writeEntry({ name: "PaxHeader", type: "pax", content: body.join("") }));
  }
  blocks.push(header(entry, name, type, content.length), content);
  blocks.push(new Uint8Array((blockBytes - (content.length % blockBytes)) % blockBytes));
  return blocks;
}

function header(
  entry: TarEntry,
  name: string,
  type: keyof typeof typeFlags,
  size: number,
): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, offset: number, length: number): void => {
    block.write(value.toString(8).padStart(length - 1, "0"), offset, "latin1");
  };
  block.write(name, 0, 100);
  octal(entry.mode ?? (type === "directory" ? 0o755 : 0o644), 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.gid ?? 0, 116, 8);
  octal(size, 124, 12);
  octal(entry.mtime ?? 1_700_000_000, 136, 12);
  block.write(" ".repeat(8), 148);
  block.write(typeFlags[type], 156);
  block.write(entry.linkname ?? "", 157, 100);
  block.write("ustar\x0000", 257);
  octal(entry.device?.major ?? 0, 329, 8);
  octal(entry.device?.minor ?? 0, 337, 8);
  // The checksum is over the header with spaces in its place (POSIX pax, "ustar Interchange").
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}

/** `LENGTH key=value\n`, where LENGTH counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (String(length).length + Buffer.byteLength(rest) !== length) {
    length = String(length).length + Buffer.byteLength(rest);
  }
  return `${length}${rest}`;
}
