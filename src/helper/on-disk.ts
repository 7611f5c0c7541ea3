/**
 * The helper as a file of the store, for machines that execute nothing from memory.
 *
 * The file is named by its content's digest, written aside and renamed, and compared with hb's own
 * copy before each use; what is executed is the very inode that was compared.
 */

import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";

/** An executable file: to be run as /proc/self/fd/N. */
export interface FileOnDisk {
  readonly fd: number;
  readonly path: string;
}

const MODE = 0o500;

/** The file with these bytes below `directory`, made where it is missing or not as it was. */
export function fileOnDisk(directory: string, name: string, bytes: Uint8Array): FileOnDisk {
  const digest = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  const folder = `${directory}/${digest}`;
  const path = `${folder}/${name}`;
  const there = openIfGenuine(path, bytes);
  if (there !== undefined) return { fd: there, path };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const aside = `${path}.${process.pid}`;
  rmSync(aside, { force: true });
  writeFileSync(aside, bytes, { flag: "wx", mode: 0o700 });
  renameSync(aside, path);
  const fd = openIfGenuine(path, bytes);
  if (fd === undefined) throw new Error(`'${path}' is not what was written`);
  return { fd, path };
}

/** A descriptor of the file, CLOEXEC, if it is a plain file of ours with exactly these bytes. */
function openIfGenuine(path: string, bytes: Uint8Array): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Missing, or made unreadable, or a link: it is replaced.
    if (code === "ENOENT" || code === "EACCES" || code === "ELOOP") return undefined;
    throw error;
  }
  const stat = fstatSync(fd);
  const isOurs = stat.isFile() && stat.uid === process.geteuid?.() && stat.size === bytes.length;
  if (isOurs && readFileSync(fd).equals(bytes)) {
    fchmodSync(fd, MODE); // whoever is root in a container could have made it anything
    return fd;
  }
  closeSync(fd);
  return undefined;
}
