/** `hb inspect`: what is known of containers and images, with docker's field names. */

import { additionalStores, storeWith } from "../additional.ts";
import { formatError, HbError, UsageError } from "../errors.ts";
import { hostPlatform, matchPlatform, parsePlatform } from "../image/platform.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import { inspection } from "../lifecycle/inspection.ts";
import { findOptional } from "../lifecycle/select.ts";
import { describe } from "../lifecycle/summary.ts";
import type { InspectOptions } from "../options.ts";
import { formatDocuments } from "../output/listing.ts";
import { printResult, printStatus } from "../output.ts";
import { readBlob } from "../store/blobs.ts";
import { type ImageRecord, listImages, type StoredImage } from "../store/images.ts";
import { currentStore, type StorePaths } from "../store/layout.ts";
import { selectImages } from "../store/select.ts";

/** Prints one array of what is there, or what `--format` makes of each; then what is not there. */
export async function inspect(options: InspectOptions): Promise<number> {
  const store = currentStore();
  const others = additionalStores(options.store);
  const found: Record<string, unknown>[] = [];
  const failures: HbError[] = [];
  for (const text of options.names) {
    try {
      found.push(describeOne(store, others, text, options));
    } catch (error) {
      if (!(error instanceof HbError) || error instanceof UsageError) throw error;
      failures.push(error);
    }
  }
  const texts = found.length > 0 ? formatDocuments(found, options.format ?? "") : [];
  for (const text of texts) printResult(text);
  for (const error of failures) printStatus(`hb: ${formatError(error)}`);
  return failures.length > 0 ? 1 : 0;
}

function describeOne(
  own: StorePaths,
  others: readonly StorePaths[],
  text: string,
  { type, platform }: InspectOptions,
): Record<string, unknown> {
  const container = type === "image" ? undefined : asContainer(own, text);
  if (container !== undefined) return container;
  if (type === "container") throw new HbError(`No such container: ${text}`);
  const store = storeWith(own, others, text);
  const { images } = selectImages(store, text);
  return describeImage(store, choose(images, text, platform));
}

/** A container's name comes before an image's, as in docker. */
function asContainer(store: StorePaths, text: string): Record<string, unknown> | undefined {
  const known = findOptional(store, text);
  return known === undefined ? undefined : inspection(describe(known));
}

/** The image for the platform asked for, else this machine's, else the only one. */
function choose(images: readonly StoredImage[], text: string, asked?: string): ImageRecord {
  const host = hostPlatform(process.arch);
  const wanted = asked === undefined ? host : parsePlatform(asked, host);
  const fitting = images.find(({ record }) => matchPlatform(wanted, record.platform) !== undefined);
  const image = fitting ?? (asked === undefined ? images[0] : undefined);
  if (image !== undefined) return image.record;
  const where = asked === undefined || images.length === 0 ? "" : ` for ${asked}`;
  throw new HbError(`No such container or image: ${text}${where}`, {
    hint: "see 'hb ps -a' and 'hb images'",
  });
}

/**
 * Fields of docker's that have a meaning here. Config is the image's own, but for the texts that
 * scripts ask for and that docker has as "" where an image leaves them out.
 */
function describeImage(store: StorePaths, record: ImageRecord): Record<string, unknown> {
  const config = JSON.parse(new TextDecoder().decode(readBlob(store, record.config))) as {
    readonly [key: string]: unknown;
    readonly config?: Readonly<Record<string, unknown>> | null;
    readonly rootfs?: { readonly diff_ids?: unknown };
  };
  const names = listImages(store).filter(({ record: other }) => other.config === record.config);
  const { os, architecture, variant } = record.platform;
  return {
    Id: record.config,
    RepoTags: unique(names.flatMap(tagsOf)),
    RepoDigests: unique(names.map(digestOf)),
    Comment: config.comment ?? "",
    Created: config.created ?? "",
    Author: config.author ?? "",
    Architecture: architecture,
    Variant: variant ?? "",
    Os: os,
    Size: record.sizeBytes,
    Config: { User: "", WorkingDir: "", ...config.config },
    RootFS: { Type: "layers", Layers: config.rootfs?.diff_ids ?? [] },
    Metadata: { LastTagTime: record.pulledAt },
  };
}

function tagsOf({ record }: StoredImage): string[] {
  const reference = parseReference(record.reference);
  return reference.digest === undefined ? [familiarName(reference)] : [];
}

function digestOf({ record }: StoredImage): string {
  const { registry, repository } = parseReference(record.reference);
  return familiarName({ registry, repository, digest: record.index ?? record.manifest });
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
