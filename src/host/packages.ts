/** How to install a package on this system. */

import { findProgram } from "./identity.ts";

const MANAGERS = [
  ["apt-get", "sudo apt-get install -y"],
  ["dnf", "sudo dnf install -y"],
  ["zypper", "sudo zypper install -y"],
  ["apk", "sudo apk add"],
  ["pacman", "sudo pacman -S --noconfirm"],
] as const;

/** `sudo apt-get install -y` or its like; `path` is where programs are. */
export function installCommand(path: string): string {
  const found = MANAGERS.find(([program]) => findProgram(program, path) !== undefined);
  return found?.[1] ?? "sudo apt-get install -y";
}
