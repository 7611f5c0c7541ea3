/**
 * A file system for the bench alone: ext4 with a journal, in a sparse file.
 *
 * Rows make and remove hundreds of thousands of files, and how fast the next ones are made must not
 * depend on that. On an ext4 without journal it does: find_inode_bit() steps over inodes deleted
 * in the last minutes (fs/ext4/ialloc.c, recently_deleted()), which was seen to make `tar -x` eight
 * times slower. It also keeps whatever else the machine writes out of our journal.
 */

import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";

/** Room for the stores of everybody at once; the file takes only what is written. */
const diskBytes = 24 * 2 ** 30;

/** Mounts a new file system on `directory`; what unmounts it, or nothing where that cannot be. */
export function mountDisk(directory: string): (() => void) | undefined {
  if (process.getuid?.() !== 0 || Bun.which("mkfs.ext4") === null) return undefined;
  const image = `${directory}.img`;
  const fd = openSync(image, "wx", 0o600);
  ftruncateSync(fd, diskBytes);
  closeSync(fd);
  // Nothing is left for the kernel to initialize while we measure.
  const initialized = ["-E", "lazy_itable_init=0,lazy_journal_init=0", "-i", "32768"];
  const succeeds = (...argv: string[]) => Bun.spawnSync(argv).exitCode === 0;
  const mounted =
    succeeds("mkfs.ext4", "-q", "-F", ...initialized, image) &&
    succeeds("mount", "-o", "loop", image, directory);
  if (!mounted) {
    rmSync(image);
    return undefined;
  }
  return () => {
    // Lazily where a contender still holds a file: it goes when that does.
    if (!succeeds("umount", "--recursive", directory)) succeeds("umount", "--lazy", directory);
    rmSync(image);
  };
}
