/** What confines this very process: security modules and switches that refuse what hb would do. */

import { readFileSync } from "node:fs";

export interface Confinement {
  /** The AppArmor profile in force; absent where there is none. */
  readonly apparmorProfile?: string;
  /** vm.memfd_noexec: 2 forbids programs in memory. Absent before Linux 6.3. */
  readonly memfdNoexec?: number;
}

/** What confines this process. */
export function confinement(): Confinement {
  // Since Linux 5.1 each module has its own directory; before, the one in charge has the file.
  const label = readOptional("/proc/self/attr/apparmor/current", "/proc/self/attr/current");
  const profile = profileIn(label);
  const memfd = readOptional("/proc/sys/vm/memfd_noexec").trim();
  return {
    ...(profile === undefined ? {} : { apparmorProfile: profile }),
    ...(/^\d+$/.test(memfd) ? { memfdNoexec: Number(memfd) } : {}),
  };
}

/** `NAME (enforce)`; `unconfined`, a profile that only complains, and SELinux's label are none. */
export function profileIn(label: string): string | undefined {
  return /^(.+) \((?:enforce|kill|prompt)\)\n?$/.exec(label)?.[1];
}

/** The first of `files` that can be read. */
function readOptional(...files: string[]): string {
  for (const file of files) {
    try {
      return readFileSync(file, "utf8");
    } catch (error) {
      // This kernel has no such file, or no such module in charge (EINVAL).
      if (!(error instanceof Error && "code" in error)) throw error;
    }
  }
  return "";
}
