/** `hb pull`: an image from its registry into the store. */

import { currentIdentity } from "../host/identity.ts";
import { interruptible } from "../host/interrupt.ts";
import { hostPlatform, parsePlatform } from "../image/platform.ts";
import { familiarName, formatReference, parseReference } from "../image/reference.ts";
import type { PullOptions } from "../options.ts";
import { printResult } from "../output.ts";
import { pullImage } from "../pull.ts";
import { currentStore } from "../store/layout.ts";

/** Ends stdout with the canonical reference, as docker does; `-q` prints the digest and no more. */
export async function pull(options: PullOptions): Promise<number> {
  const reference = parseReference(options.image);
  const host = hostPlatform(process.arch);
  const platform = options.platform === undefined ? host : parsePlatform(options.platform, host);
  const store = currentStore();
  const { quiet, tlsVerify, cacert } = options;
  const settings = { store, platform, quiet, tlsVerify, cacert, identity: currentIdentity() };
  const { digest, isNew } = await interruptible((signal) =>
    pullImage(reference, { ...settings, signal }),
  );
  if (quiet) {
    printResult(digest);
    return 0;
  }
  printResult(`Digest: ${digest}`);
  const status = isNew ? "Downloaded newer image" : "Image is up to date";
  printResult(`Status: ${status} for ${familiarName(reference)}`);
  printResult(formatReference(reference));
  return 0;
}
