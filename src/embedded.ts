/**
 * The image inside the executable, as a registry that needs no network: what is pulled from it
 * takes the ordinary way into the store, checks and all. `build.ts` puts the files where the
 * imports find them.
 */

import { readFileSync } from "node:fs";
import configPath from "../dist/embed/hello-config.json" with { type: "file" };
import layerPath from "../dist/embed/hello-layer.tar.gz" with { type: "file" };
import manifestPath from "../dist/embed/hello-manifest.json" with { type: "file" };
import type { Descriptor } from "./image/descriptor.ts";
import { digestOf } from "./image/digest.ts";
import { ociManifest } from "./image/media-type.ts";
import type { Reference } from "./image/reference.ts";
import type { FetchedDocument, Registry } from "./registry/client.ts";

/** TypeScript takes a .json import for its content; with `type: "file"` it is its path. */
function fileOf(imported: unknown): string {
  return String(imported);
}

/** Answers for one reference, whatever it is called. */
export class EmbeddedRegistry implements Registry {
  readonly manifest: FetchedDocument;

  constructor() {
    const bytes = readFileSync(fileOf(manifestPath));
    this.manifest = { bytes, mediaType: ociManifest, digest: digestOf(bytes) };
  }

  async resolve(_reference: Reference): Promise<FetchedDocument> {
    return this.manifest;
  }

  async fetchDocument(_reference: Reference, descriptor: Descriptor): Promise<FetchedDocument> {
    const { mediaType, digest } = descriptor;
    return { bytes: readFileSync(fileOf(configPath)), mediaType, digest };
  }

  async *fetchBlob(
    _reference: Reference,
    _descriptor: Descriptor,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield readFileSync(layerPath);
  }
}
