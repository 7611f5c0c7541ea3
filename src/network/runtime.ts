/** Where networks have their state on this machine; apart, as every run of root looks there. */

import { readdirSync } from "node:fs";

/** A directory for each network that something is left of. It is the machine's, as bridges are. */
export const networksDirectory = "/run/hb/networks";

/** Names in a directory that may not be there, or be another user's: then there are none. */
export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "EACCES") return [];
    throw error;
  }
}

/** Networks that something is left of, on this machine. */
export function networksWithState(): readonly string[] {
  return namesIn(networksDirectory);
}
