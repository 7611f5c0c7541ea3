/** `hb manifest inspect`: what a registry has under a reference, without pulling it. */

import { credentialsFor } from "../credentials/given.ts";
import { interruptible } from "../host/interrupt.ts";
import { parseName } from "../host/short-names.ts";
import { parseConfig } from "../image/config.ts";
import type { Descriptor } from "../image/descriptor.ts";
import { parseDocument } from "../image/manifest.ts";
import { isIndexType, isManifestType } from "../image/media-type.ts";
import { formatReference, type Reference } from "../image/reference.ts";
import type { ManifestOptions } from "../options/registries.ts";
import { printNotice, printResult } from "../output.ts";
import { type FetchedDocument, openRegistry, type Registry } from "../registry/client.ts";

/** Prints the index or manifest as JSON; `-v` as docker does: every platform's manifest. */
export async function manifest(options: ManifestOptions): Promise<number> {
  const { image, tlsVerify, cacert, verbose } = options;
  const reference = parseName(image);
  const notice = printNotice;
  const value = await interruptible(async (signal) => {
    const credentials = await credentialsFor({ notice, signal });
    const registry = openRegistry({ tlsVerify, cacert, notice, credentials });
    const root = await registry.resolve(reference, { signal });
    // What is no image is an error here, too, and not just some JSON.
    const document = parseDocument(root.bytes, root.mediaType);
    if (!verbose) return jsonOf(root);
    if (document.kind === "manifest") {
      const { digest, bytes } = root;
      const described = { mediaType: document.mediaType, digest, size: bytes.length };
      const config = await registry.fetchDocument(reference, document.config, { signal });
      const { platform } = parseConfig(config.bytes);
      return verboseEntry(reference, { ...described, platform }, root);
    }
    const entries = document.manifests.filter(({ mediaType }) => {
      return isManifestType(mediaType) || isIndexType(mediaType);
    });
    return await inspectAll(registry, reference, entries, signal);
  });
  printResult(JSON.stringify(value, undefined, 2));
  return 0;
}

async function inspectAll(
  registry: Registry,
  reference: Reference,
  entries: readonly Descriptor[],
  signal: AbortSignal,
): Promise<unknown[]> {
  const values: unknown[] = [];
  for (const entry of entries) {
    const document = await registry.fetchDocument(reference, entry, { signal });
    values.push(verboseEntry({ ...reference, digest: entry.digest }, entry, document));
  }
  return values;
}

/** docker's names for it (docker/cli, cli/manifest/types). */
function verboseEntry(
  reference: Reference,
  descriptor: Descriptor,
  document: FetchedDocument,
): Record<string, unknown> {
  const isDocker = descriptor.mediaType.startsWith("application/vnd.docker.");
  return {
    Ref: formatReference(reference),
    Descriptor: descriptor,
    [isDocker ? "SchemaV2Manifest" : "OCIManifest"]: jsonOf(document),
  };
}

function jsonOf({ bytes }: FetchedDocument): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
