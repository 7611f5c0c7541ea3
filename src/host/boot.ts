/** Which boot of the machine this is: what was written in an earlier one may not be on the disk. */

import { readFileSync } from "node:fs";

/** random(4)'s boot_id; undefined where there is none, as in some sandboxes. */
export function bootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return undefined; // then nothing is known to be of this boot
  }
}
