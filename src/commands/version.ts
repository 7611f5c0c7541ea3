/** `hb version`: what this executable is. */

import { version as number } from "../../package.json";
import { formatPlatform, hostPlatform } from "../image/platform.ts";
import type { ReportOptions } from "../options.ts";
import { printResult } from "../output.ts";

/** Prints hb's version and platform. */
export function version({ format }: ReportOptions): number {
  const platform = formatPlatform(hostPlatform(process.arch));
  printResult(
    format === "json"
      ? JSON.stringify({ version: number, platform, bun: Bun.version })
      : `hb ${number} ${platform}`,
  );
  return 0;
}
