/** `hb tags`: what a repository has, from its registry. */

import { credentialsFor } from "../credentials/given.ts";
import { interruptible } from "../host/interrupt.ts";
import { parseRepositoryName } from "../host/short-names.ts";
import type { TagsOptions } from "../options/registries.ts";
import { printNotice, printResult } from "../output.ts";
import { openRegistry } from "../registry/client.ts";

/** One tag a line, in the registry's order, each page as it comes. */
export async function tags({ repository, tlsVerify, cacert }: TagsOptions): Promise<number> {
  const reference = parseRepositoryName(repository);
  const notice = printNotice;
  await interruptible(async (signal) => {
    const credentials = await credentialsFor({ notice, signal });
    const registry = openRegistry({ tlsVerify, cacert, notice, credentials });
    for await (const tag of registry.listTags(reference, { signal })) printResult(tag);
  });
  return 0;
}
