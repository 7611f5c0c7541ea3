/** `hb push`: images from the store into a registry. */

import { writeFileSync } from "node:fs";
import { additionalStores, storeWith } from "../additional.ts";
import { credentialsFor, givenFor } from "../credentials/given.ts";
import { HbError, UsageError } from "../errors.ts";
import { currentIdentity, helperMapFlags } from "../host/identity.ts";
import { interruptible } from "../host/interrupt.ts";
import { localMeanings, parseName } from "../host/short-names.ts";
import { hostPlatform, parsePlatform } from "../image/platform.ts";
import {
  familiarName,
  formatReference,
  parseReference,
  type Reference,
} from "../image/reference.ts";
import type { PushOptions } from "../options/images.ts";
import { printNotice, printResult } from "../output.ts";
import { pushImage } from "../push.ts";
import { openRegistry } from "../registry/client.ts";
import type { ImageRecord } from "../store/images.ts";
import { listImages } from "../store/images.ts";
import { createStore, currentStore, type StorePaths } from "../store/layout.ts";
import { filterImages, selectImage } from "../store/select.ts";

interface Pair {
  readonly source: StorePaths;
  readonly record: ImageRecord;
  readonly target: Reference;
}

/** Pushes one image, or every tag of a repository, and says under which digest. */
export async function push(options: PushOptions): Promise<number> {
  const { cacert, creds, digestfile, quiet, tlsVerify } = options;
  if (digestfile !== undefined && options.allTags) {
    throw new UsageError("Cannot use --digestfile with --all-tags: it is for one digest");
  }
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const pairs = options.allTags ? allTags(store, options) : [oneImage(store, options)];
  const mapFlags = helperMapFlags(currentIdentity());
  const notice = printNotice;
  await interruptible(async (signal) => {
    const registries = pairs.map(({ target }) => target.registry);
    const given = givenFor(creds, registries);
    const credentials = await credentialsFor({ given, notice, signal });
    const registry = openRegistry({ tlsVerify, cacert, notice, credentials });
    for (const { source, record, target } of pairs) {
      const job = { store, source, record, target, registry, quiet, mapFlags, signal };
      const { digest, size } = await pushImage(job);
      if (digestfile !== undefined) keepDigest(digestfile, digest);
      printResult(quiet ? digest : `${target.tag}: digest: ${digest} size: ${size}`);
    }
  });
  return 0;
}

/** Without a line end, as podman writes it. */
function keepDigest(file: string, digest: string): void {
  try {
    writeFileSync(file, digest);
  } catch (error) {
    throw new HbError(`Cannot write the digest to ${file}`, { cause: error });
  }
}

function oneImage(store: StorePaths, { image, destination, platform }: PushOptions): Pair {
  const target = parseName(destination ?? image);
  if (target.digest !== undefined) {
    throw new HbError(`Cannot push to ${familiarName(target)}: a digest is no choice`, {
      hint: "write REGISTRY/REPOSITORY[:TAG]",
    });
  }
  const host = hostPlatform(process.arch);
  const wanted = platform === undefined ? host : parsePlatform(platform, host);
  const source = storeWith(store, additionalStores([]), image);
  const { record } = selectImage(source, image, wanted, platform !== undefined);
  // By an alias or by Docker Hub's name: it goes where the image that is here has its name from.
  const isOwn = (each: Reference): boolean => formatReference(each) === record.reference;
  const own = destination === undefined ? localMeanings(image).find(isOwn) : undefined;
  return { source, record, target: own ?? target };
}

function allTags(store: StorePaths, { image, destination }: PushOptions): Pair[] {
  const { tag, digest } = parseName(image);
  const isRepository = digest === undefined && tag === "latest" && !image.endsWith(":latest");
  if (!isRepository || destination !== undefined) {
    throw new HbError("Cannot push all tags: that takes a repository's name and nothing else", {
      hint: "write hb push --all-tags REGISTRY/REPOSITORY",
    });
  }
  const pairs = filterImages(listImages(store), image)
    .map(({ record }) => ({ source: store, record, target: parseReference(record.reference) }))
    .filter(({ target }) => target.digest === undefined);
  if (pairs.length > 0) return pairs;
  throw new HbError(`No such image: ${image}`, { hint: "see 'hb images'" });
}
