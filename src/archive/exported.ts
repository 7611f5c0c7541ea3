/**
 * The images of an exported directory as a registry, so that they take the ordinary way into the
 * store: documents are checked against their digests here, layers against their diffIDs there, and
 * the records are made anew.
 */

import { HbError } from "../errors.ts";
import type { Descriptor } from "../image/descriptor.ts";
import { type Digest, digestMatches } from "../image/digest.ts";
import type { FetchedDocument, Registry } from "../registry/client.ts";
import {
  type ExportedImage,
  type ExportList,
  listFile,
  readDocument,
  readLayer,
  readList,
} from "./directory.ts";
import { blobName } from "./layout.ts";

/** A directory of exported images, opened. */
export class ExportedImages {
  readonly #directory: string;
  readonly #list: ExportList;

  constructor(directory: string) {
    const list = readList(directory);
    if (list === undefined) {
      throw new HbError(`"${directory}" is no export: there is no ${listFile} in it`, {
        hint: "make one with 'hb store export'",
      });
    }
    this.#directory = directory;
    this.#list = list;
  }

  get images(): readonly ExportedImage[] {
    return this.#list.images;
  }

  /** The directory as the registry of one of its images. */
  only(image: ExportedImage): Registry {
    return {
      resolve: async () => this.#read({ digest: image.digest, mediaType: "" }),
      fetchDocument: async (_, descriptor) => this.#read(descriptor),
      fetchBlob: (_, { digest }) => {
        const file = this.#list.layers.get(digest);
        if (file !== undefined) return readLayer(this.#directory, file);
        throw new HbError(`"${this.#directory}/${listFile}" does not name its file`, {
          hint: "export it again",
        });
      },
    };
  }

  #read({ digest, mediaType }: Pick<Descriptor, "digest" | "mediaType">): FetchedDocument {
    const bytes = readDocument(this.#directory, digest);
    if (bytes === undefined) throw this.#missing(digest);
    if (digestMatches(digest, bytes)) return { bytes, mediaType, digest };
    throw new HbError(`"${this.#directory}/${blobName(digest)}" is damaged`, {
      hint: "export it again",
    });
  }

  #missing(digest: Digest): HbError {
    return new HbError(`"${this.#directory}/${blobName(digest)}" is missing`, {
      hint: "export it again, on a machine of this kind",
    });
  }
}
