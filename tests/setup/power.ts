/** A file system of its own whose power can be cut: what was not written by then is lost. */

import { dlopen, ptr } from "bun:ffi";
import { closeSync, mkdirSync, openSync, truncateSync, writeFileSync } from "node:fs";

/** EXT4_IOC_SHUTDOWN: what was not written is not any more (xfstests cut the power by it, too). */
const SHUTDOWN = 0x8004587d;
const WITHOUT_FLUSHING = 2;

/** An ext4 on a sparse file, mounted. */
export class Disk {
  readonly mountPoint: string;
  readonly #file: string;

  private constructor(folder: string) {
    this.mountPoint = `${folder}/mounted`;
    this.#file = `${folder}/disk`;
  }

  static make(folder: string): Disk {
    const disk = new Disk(folder);
    mkdirSync(disk.mountPoint, { recursive: true });
    writeFileSync(disk.#file, "");
    truncateSync(disk.#file, 2 ** 30);
    command("mkfs.ext4", "-q", "-F", disk.#file);
    disk.mount();
    return disk;
  }

  /** Replays the journal, as a machine does that starts again. */
  mount(): void {
    command("mount", "-o", "loop", this.#file, this.mountPoint);
  }

  unmount(): void {
    command("umount", this.mountPoint);
  }

  cutPower(): void {
    const { symbols, close } = dlopen("libc.so.6", {
      ioctl: { args: ["int", "u64", "ptr"], returns: "int" },
    });
    const fd = openSync(this.mountPoint, "r");
    try {
      const status = symbols.ioctl(fd, SHUTDOWN, ptr(new Uint32Array([WITHOUT_FLUSHING])));
      if (status !== 0) throw new Error(`Cannot shut "${this.mountPoint}" down`);
    } finally {
      closeSync(fd);
      close();
    }
  }
}

function command(...argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv, { stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${stderr.toString()}`);
}
