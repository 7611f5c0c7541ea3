/**
 * The members of an image archive by their names: where each one's bytes are in a file.
 *
 * Archives are as hostile as registries. No name of one ever becomes a path of this machine: names
 * are keys of a map, and what is not a plain file or a link to one of the archive is passed over.
 */

import { readSync } from "node:fs";
import { posix } from "node:path";
import { HbError } from "../errors.ts";
import { blockBytes, extendedBytesMax, type Header, parseHeader, parsePax } from "./tar-header.ts";

/** More than any set of images has. */
const membersMax = 100_000;
/** As the kernel's MAXSYMLINKS. */
const linksMax = 40;
const chunkBytes = 1 << 20;

interface Member {
  readonly at: number;
  readonly size: number;
}

/** An archive's files. The descriptor stays the caller's. */
export class Members {
  readonly #fd: number;
  readonly #files = new Map<string, Member>();
  readonly #links = new Map<string, string>();

  /** Reads the headers of the tar in `fd`, which has `size` bytes. */
  constructor(fd: number, size: number) {
    this.#fd = fd;
    try {
      this.#index(size);
    } catch (error) {
      throw new HbError("Cannot read the archive", { cause: error });
    }
  }

  /** Bytes of the member `name`; undefined if there is no such file. */
  size(name: string): number | undefined {
    return this.#find(name)?.size;
  }

  /** All of a member, which may have at most `bytesMax` bytes. */
  read(name: string, bytesMax: number): Uint8Array | undefined {
    const member = this.#find(name);
    if (member === undefined) return undefined;
    if (member.size > bytesMax) {
      throw new HbError(`"${name}" has ${member.size} bytes, at most ${bytesMax} are taken`);
    }
    return this.#readAt(member.at, member.size);
  }

  /** A member's bytes in chunks; the archive's first ones only, with `bytesMax`. */
  async *stream(name: string, bytesMax = Number.MAX_SAFE_INTEGER): AsyncGenerator<Uint8Array> {
    const member = this.#find(name);
    if (member === undefined) throw new HbError(`the archive has no "${name}"`);
    const size = Math.min(member.size, bytesMax);
    for (let done = 0; done < size; done += chunkBytes) {
      yield this.#readAt(member.at + done, Math.min(chunkBytes, size - done));
    }
  }

  #find(name: string): Member | undefined {
    let wanted = normalize(name);
    for (let links = 0; links < linksMax; links++) {
      const target = this.#links.get(wanted);
      if (target === undefined) return this.#files.get(wanted);
      wanted = target;
    }
    return undefined;
  }

  #index(size: number): void {
    let extended: ReadonlyMap<string, string> = new Map();
    let longName: string | undefined;
    let count = 0;
    for (let at = 0; at < size; ) {
      if (at + blockBytes > size) throw cutOff();
      const header = parseHeader(this.#readAt(at, blockBytes));
      if (header === undefined) break;
      at += blockBytes;
      const bytes = sizeOf(header, extended);
      // The last member's padding may be missing, its data may not.
      if (at + bytes > size) throw cutOff();
      if (header.kind === "x") {
        extended = parsePax(this.#readAt(at, bounded(bytes)));
      } else if (header.kind === "L") {
        const text = new TextDecoder().decode(this.#readAt(at, bounded(bytes)));
        longName = text.split("\0", 1)[0];
      } else {
        if (++count > membersMax) throw new HbError(`it has more than ${membersMax} members`);
        const name = extended.get("path") ?? longName ?? header.name;
        this.#add(normalize(name), header, extended.get("linkpath") ?? header.link, at, bytes);
        extended = new Map();
        longName = undefined;
      }
      at += Math.ceil(bytes / blockBytes) * blockBytes;
    }
    if (count === 0) throw new HbError("it is no tar, or an empty one");
  }

  #add(name: string, { kind }: Header, link: string, at: number, size: number): void {
    // Of two members of one name the last one counts, as for whoever unpacks them.
    this.#files.delete(name);
    this.#links.delete(name);
    if (kind === "0" || kind === "7") this.#files.set(name, { at, size });
    else if (kind === "1") this.#links.set(name, normalize(link));
    else if (kind === "2") this.#links.set(name, normalize(`${posix.dirname(name)}/${link}`));
  }

  #readAt(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = readSync(this.#fd, bytes, done, length - done, at + done);
      if (count === 0) throw cutOff();
      done += count;
    }
    return bytes;
  }
}

function normalize(name: string): string {
  return posix.normalize(`/${name}`).slice(1);
}

function bounded(size: number): number {
  if (size <= extendedBytesMax) return size;
  throw new HbError(`an extended header has ${size} bytes, at most ${extendedBytesMax} are taken`);
}

function sizeOf(header: Header, extended: ReadonlyMap<string, string>): number {
  // Links and directories have no data, whatever their size field says.
  if (["1", "2", "3", "4", "5", "6"].includes(header.kind)) return 0;
  const text = extended.get("size");
  if (text === undefined || header.kind === "x") return header.size;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new HbError("a pax header has a size that is none");
}

function cutOff(): HbError {
  return new HbError("it ends too early", { hint: "the file is incomplete: make it again" });
}
