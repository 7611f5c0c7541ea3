/**
 * The image of a run: from the store, from a registry, or from this very executable. The way
 * through the store alone is synchronous and loads nothing else.
 */

import { HbError } from "./errors.ts";
import { helperMapFlags, type Identity } from "./host/identity.ts";
import { embeddedName, parseName, tellAlias } from "./host/short-names.ts";
import { type ImageConfig, parseConfig } from "./image/config.ts";
import { hostPlatform, type Platform, parsePlatform } from "./image/platform.ts";
import { familiarName, type Reference } from "./image/reference.ts";
import type { ImageFlags, PullPolicy } from "./options.ts";
import type { Registry } from "./registry/client.ts";
import { readBlob } from "./store/blobs.ts";
import { unsettledLayers } from "./store/boot.ts";
import { findImage, findStoredImage, type ImageRecord, noteUse } from "./store/images.ts";
import type { StorePaths } from "./store/layout.ts";

/** An image that is wholly in the store. */
export interface ObtainedImage {
  readonly name: string;
  readonly record: ImageRecord;
  readonly config: ImageConfig;
}

export interface Wanted extends ImageFlags {
  readonly image: string;
  readonly pull: PullPolicy;
}

interface Places {
  readonly store: StorePaths;
  readonly identity: Identity;
  /** Called before anything is fetched: the last chance to find the rest of the flags wrong. */
  readonly beforePull: () => Promise<void>;
}

/** The image `wanted` names, pulled first where its policy says so. */
export async function obtainImage(wanted: Wanted, places: Places): Promise<ObtainedImage> {
  const reference = await referenceOf(wanted);
  const host = hostPlatform(process.arch);
  const platform = wanted.platform === undefined ? host : parsePlatform(wanted.platform, host);
  const isHosts = platform.architecture === host.architecture;
  const isEmbedded = wanted.image === embeddedName && wanted.locked === undefined && isHosts;
  const { record, store } = isEmbedded
    ? await importEmbedded(reference, platform, places)
    : await findOrPull(wanted, reference, platform, places);
  await requireIntact(familiarName(reference), record.layers, places);
  const config = parseConfig(readBlob(store, record.config));
  return { name: familiarName(reference), record, config };
}

/** A record, its layers in the caller's store, and the store that its documents are in. */
interface Found {
  readonly record: ImageRecord;
  readonly store: StorePaths;
}

/**
 * Refuses an image's layers where they lost data since they were unpacked. That is looked for once,
 * after the machine has started anew; the way of all others loads nothing.
 */
export async function requireIntact(
  image: string,
  layers: readonly string[],
  { store, identity }: Pick<Places, "store" | "identity">,
): Promise<void> {
  if (unsettledLayers(store, layers).length === 0) return;
  const { refuseDamaged } = await import("./intact.ts");
  await refuseDamaged(image, layers, { store, mapFlags: helperMapFlags(identity) });
}

/** What is meant by the image's name: what the lock file says, where one is to be held to. */
async function referenceOf({ image, locked }: Wanted): Promise<Reference> {
  const reference = parseName(image);
  if (locked === undefined) return reference;
  return (await import("./lock-file.ts")).lockedReference(reference, locked);
}

async function findOrPull(
  wanted: Wanted,
  reference: Reference,
  platform: Platform,
  places: Places,
): Promise<Found> {
  const { store } = places;
  const isWanted = wanted.pull !== "always";
  const found = isWanted ? findStoredImage(store, reference, platform) : undefined;
  if (found !== undefined) {
    noteUse(found);
    return { record: found.record, store };
  }
  const others = await otherStores(wanted);
  const there = isWanted ? await borrow(others, reference, platform, places) : undefined;
  if (there !== undefined) return there;
  if (wanted.pull === "never") {
    throw new HbError(`Cannot run ${familiarName(reference)}: it was not pulled`, {
      hint: `pull it with 'hb pull ${wanted.image}', or leave --pull never out`,
    });
  }
  await places.beforePull();
  return { record: await pull(wanted, reference, platform, places, { others }), store };
}

/** Of an image in another store nothing is written down here but where its layers are. */
async function borrow(
  others: readonly StorePaths[],
  reference: Reference,
  platform: Platform,
  { store, identity }: Places,
): Promise<Found | undefined> {
  if (others.length === 0) return undefined;
  const { borrowLayers, findElsewhere } = await import("./additional.ts");
  const found = findElsewhere(others, reference, platform);
  if (found !== undefined) borrowLayers(store, found, helperMapFlags(identity));
  return found;
}

/** The additional stores; where none is asked for, what looks after them is not even loaded. */
async function otherStores({ store }: Wanted): Promise<readonly StorePaths[]> {
  if (store.length === 0 && !process.env.HB_ADDITIONAL_STORES) return [];
  return (await import("./additional.ts")).additionalStores(store);
}

/** The record of the embedded image, imported when the store has none or that of another hb. */
async function importEmbedded(
  reference: Reference,
  platform: Platform,
  places: Places,
): Promise<Found> {
  const { store } = places;
  const { EmbeddedRegistry } = await import("./embedded.ts");
  const registry = new EmbeddedRegistry();
  const found = findImage(store, reference, platform);
  if (found?.manifest === registry.manifest.digest) return { record: found, store };
  const flags = { tlsVerify: true, quiet: true };
  return { record: await pull(flags, reference, platform, places, { registry }), store };
}

async function pull(
  flags: Pick<ImageFlags, "cacert" | "creds" | "tlsVerify" | "quiet"> & { readonly image?: string },
  reference: Reference,
  platform: Platform,
  { store, identity }: Places,
  { registry, others = [] }: { registry?: Registry; others?: readonly StorePaths[] },
): Promise<ImageRecord> {
  const [{ pullImage }, { interruptible }, { credentialsFor, givenFor }, { printNotice }] =
    await Promise.all([
      import("./pull.ts"),
      import("./host/interrupt.ts"),
      import("./credentials/given.ts"),
      import("./output.ts"),
    ]);
  const { cacert, creds, image, quiet, tlsVerify } = flags;
  if (image !== undefined) tellAlias(image, printNotice);
  const settings = { store, identity, platform, quiet, tlsVerify, cacert, others };
  const source = registry === undefined ? {} : { registry };
  const pulled = await interruptible(async (signal) => {
    const wish = { given: givenFor(creds, [reference.registry]), notice: printNotice, signal };
    const credentials = await credentialsFor(wish);
    return await pullImage(reference, { ...settings, ...source, credentials, signal });
  });
  return pulled.record;
}
