/**
 * Whether images are whole: their records, documents byte for byte, and layers as far as that can
 * be told. Only looks, without locks: a store that is being written to may show what is going on.
 *
 * What files in a layer have lost is for whoever asks to say (intact.ts). What they contain is
 * compared with nothing: their digest was that of a tar stream, which was checked when they were
 * unpacked.
 */

import { dirname } from "node:path";
import { formatError, HbError } from "../errors.ts";
import { parseConfig } from "../image/config.ts";
import { type Digest, digestHex } from "../image/digest.ts";
import { formatPlatform, type Platform, parsePlatform } from "../image/platform.ts";
import {
  familiarName,
  formatReference,
  parseReference,
  type Reference,
} from "../image/reference.ts";
import { blobDefect, readBlob } from "./blobs.ts";
import { type ImageRecord, listRecordFiles, readRecord } from "./images.ts";
import { layerDefect } from "./layers.ts";
import { imagePath, type StorePath, type StorePaths } from "./layout.ts";

/** One image and what is wrong with it. */
export interface CheckedImage {
  /** For people. */
  readonly name: string;
  readonly file: StorePath;
  /** What was pulled, as the file's place has it: absent where that is no image's place. */
  readonly wanted?: { readonly reference: Reference; readonly platform: Platform };
  /** Absent where it cannot be read. */
  readonly record?: ImageRecord;
  /** Sentences; none for an image that is whole. */
  readonly defects: readonly string[];
  /** The layers among them, by name: in the way of another pull. */
  readonly damagedLayers: readonly string[];
}

/** Looks at every image in the store; `damage` is what is known to be wrong with layers. */
export function checkImages(
  store: StorePaths,
  damage: ReadonlyMap<string, string>,
): CheckedImage[] {
  const check = new Check(store, damage);
  return listRecordFiles(store).map((file) => check.image(file));
}

/** One look at the store: what images share is looked at once. */
class Check {
  readonly #store: StorePaths;
  readonly #blobs = new Map<Digest, string | undefined>();
  readonly #layers: Map<string, string | undefined>;

  constructor(store: StorePaths, damage: ReadonlyMap<string, string>) {
    this.#store = store;
    this.#layers = new Map(damage);
  }

  image(file: StorePath): CheckedImage {
    const wanted = wantedBy(this.#store, file);
    const name =
      wanted === undefined
        ? `"${file}"`
        : `${familiarName(wanted.reference)} (${formatPlatform(wanted.platform)})`;
    const known = { name, file, ...(wanted && { wanted }) };
    if (wanted === undefined) {
      return { ...known, defects: ["it is no image's record"], damagedLayers: [] };
    }
    let record: ImageRecord | undefined;
    try {
      record = readRecord(file);
    } catch (error) {
      if (!(error instanceof HbError)) throw error;
      return { ...known, defects: [`its record: ${causeOf(error)}`], damagedLayers: [] };
    }
    // Removed since it was listed.
    if (record === undefined) return { ...known, defects: [], damagedLayers: [] };
    const damagedLayers = record.layers.filter((layer) => this.#layer(layer) !== undefined);
    const defects = [
      ...(imagePath(this.#store, parseReference(record.reference)) === dirname(file)
        ? []
        : [`its record is that of ${record.reference}`]),
      ...this.#documents(record),
      ...damagedLayers.map((layer) => `the layer ${shortName(layer)}: ${this.#layer(layer)}`),
    ];
    return { ...known, record, defects, damagedLayers };
  }

  /** Its documents, and whether the record says what they say. */
  #documents({ index, manifest, config, layers }: ImageRecord): string[] {
    const documents = { manifest, config, ...(index !== undefined && { index }) };
    const defects = Object.entries(documents).flatMap(([name, digest]) => {
      const defect = this.#blob(digest);
      return defect === undefined ? [] : [`its ${name} ${digest}: ${defect}`];
    });
    if (defects.length > 0) return defects;
    try {
      const text = new TextDecoder().decode(readBlob(this.#store, manifest));
      const named = (JSON.parse(text) as { readonly config?: { readonly digest?: unknown } })
        .config;
      if (named?.digest !== config) return ["its record names another config than its manifest"];
      const { rootfs } = parseConfig(readBlob(this.#store, config));
      const unpacked = layers.filter((layer) => !layer.endsWith("-patch"));
      if (stackedNames(rootfs.diff_ids).join() === unpacked.join()) return [];
      return ["its record names other layers than its config"];
    } catch (error) {
      if (!(error instanceof HbError || error instanceof SyntaxError)) throw error;
      return [formatError(error)];
    }
  }

  #blob(digest: Digest): string | undefined {
    if (!this.#blobs.has(digest)) this.#blobs.set(digest, blobDefect(this.#store, digest));
    return this.#blobs.get(digest);
  }

  #layer(name: string): string | undefined {
    if (!this.#layers.has(name)) this.#layers.set(name, layerDefect(this.#store, name));
    return this.#layers.get(name);
  }
}

/** images/docker.io/library/debian:12/linux-arm-v7.json -> what is to be pulled again. */
export function wantedBy(store: StorePaths, file: StorePath): CheckedImage["wanted"] {
  const place = dirname(file).slice(store.images.length + 1);
  const words = /^([^/]+)\.json$/.exec(file.slice(dirname(file).length + 1))?.[1];
  try {
    const reference = parseReference(place);
    if (words === undefined || formatReference(reference) !== place) return undefined;
    const [os = "", architecture = ""] = words.split("-");
    return { reference, platform: parsePlatform(words.replaceAll("-", "/"), { os, architecture }) };
  } catch (error) {
    if (error instanceof HbError) return undefined;
    throw error;
  }
}

/** The directories of `diffIDs`: each once, where it is topmost, as a pull stacks them. */
function stackedNames(diffIDs: readonly Digest[]): string[] {
  const names = new Set<string>();
  for (const name of diffIDs.map(digestHex)) {
    names.delete(name);
    names.add(name);
  }
  return [...names];
}

function shortName(layer: string): string {
  return layer.replace(/^(.{12})[0-9a-f]*/, "$1");
}

function causeOf(error: HbError): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}
