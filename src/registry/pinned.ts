/** A registry whose references mean what they meant once: what they name is asked for by digest. */

import type { Descriptor } from "../image/descriptor.ts";
import type { Digest } from "../image/digest.ts";
import type { Reference } from "../image/reference.ts";
import type { FetchedDocument, FetchOptions, Registry } from "./client.ts";

/** `registry`, where the image that is resolved is `digest` whatever its tag means today. */
export function pinnedRegistry(registry: Registry, digest: Digest): Registry {
  return {
    resolve(reference: Reference, options?: FetchOptions): Promise<FetchedDocument> {
      return registry.resolve({ ...reference, digest }, options);
    },
    fetchDocument(reference: Reference, descriptor: Descriptor, options?: FetchOptions) {
      return registry.fetchDocument(reference, descriptor, options);
    },
    fetchBlob(reference: Reference, descriptor: Descriptor, options?: FetchOptions) {
      return registry.fetchBlob(reference, descriptor, options);
    },
  };
}
