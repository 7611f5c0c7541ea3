/** Whether this machine can run an image's programs; said before anything starts. Pure. */

import { HbError } from "../errors.ts";
import { formatPlatform, type Platform } from "./platform.ts";

export interface ArchitectureFacts {
  readonly architecture: string;
  /** Whether binfmt_misc runs programs of this architecture. */
  emulates(architecture: string): boolean;
}

/** What a kernel runs besides its own architecture. */
const COMPATIBLE: Readonly<Record<string, string>> = { amd64: "386", arm64: "arm" };

/** Throws when `image`'s programs would fail with "exec format error". */
export function checkArchitecture(name: string, image: Platform, facts: ArchitectureFacts): void {
  const wanted = image.architecture;
  if (wanted === facts.architecture || COMPATIBLE[facts.architecture] === wanted) return;
  if (wanted === "unknown" || facts.emulates(wanted)) return;
  throw new HbError(
    `Cannot run ${name}: it is for ${formatPlatform(image)}, this machine is ` +
      `linux/${facts.architecture} and has no emulator for ${wanted}`,
    { hint: `pull it with --platform linux/${facts.architecture}, or install qemu-user-static` },
  );
}
