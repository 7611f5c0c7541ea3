/** `hb version`: what this executable is. */

import { machine, release } from "node:os";
import { version as number } from "../../package.json";
import { formatPlatform, hostPlatform } from "../image/platform.ts";
import type { FormatOptions } from "../options.ts";
import { formatDocument } from "../output/listing.ts";
import { printResult } from "../output.ts";

/** Prints hb's version and platform; for templates docker's fields, of which hb is both sides. */
export async function version({ format }: FormatOptions): Promise<number> {
  const platform = hostPlatform(process.arch);
  if (format === undefined) {
    printResult(`hb ${number} ${formatPlatform(platform)}`);
    return 0;
  }
  const common = { Version: number, Os: platform.os, Arch: platform.architecture };
  const built = { Bun: Bun.version };
  const server = { ...common, KernelVersion: release(), Machine: machine() };
  printResult(
    formatDocument({ ...common, Client: { ...common, ...built }, Server: server }, format),
  );
  return 0;
}
