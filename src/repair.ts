/**
 * A damaged image made whole: what is broken is taken away and the image pulled again, the very
 * same one where its registry has it. What a registry no longer has is removed; what could only not
 * be fetched this time stays as it is, for another time.
 */

import { rmSync } from "node:fs";
import { HbError } from "./errors.ts";
import { helperMapFlags } from "./host/identity.ts";
import { embeddedName } from "./host/short-names.ts";
import {
  familiarName,
  formatReference,
  parseReference,
  type Reference,
} from "./image/reference.ts";
import { type PullSettings, pullImage } from "./pull.ts";
import { openRegistry, type Registry } from "./registry/client.ts";
import { pinnedRegistry } from "./registry/pinned.ts";
import { RegistryError } from "./registry/registry-error.ts";
import type { CheckedImage } from "./store/check.ts";
import { removeImage } from "./store/images.ts";
import { discardLayers } from "./store/layers.ts";
import { storeError } from "./store/layout.ts";

/** What a repair needs to know of a pull. */
export type RepairSettings = Omit<PullSettings, "platform" | "registry">;

/** `renewed`: it is whole, but its tag means another image by now. */
export type Repaired = "repaired" | "renewed" | "removed";

/** Makes `image` whole or removes it; throws where neither could be done. */
export async function repairImage(
  image: CheckedImage,
  settings: RepairSettings,
): Promise<Repaired> {
  const { wanted, record, file } = image;
  const { store, identity } = settings;
  try {
    // What is no record only stands in the way: there is nothing in it to keep.
    if (record === undefined) rmSync(file, { force: true });
    discardLayers(store, image.damagedLayers, helperMapFlags(identity));
  } catch (error) {
    throw new HbError(`Cannot repair ${image.name}`, { cause: storeError(store, error) });
  }
  if (wanted === undefined) return "removed";
  const { reference, platform } = wanted;
  const sources = await sourcesOf(reference, record, settings);
  for (const [repaired, registry] of sources) {
    try {
      await pullImage(reference, { ...settings, platform, registry });
      return repaired;
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  if (record !== undefined) removeImage(store, { record, file });
  return "removed";
}

/** Where to look for the image, the best first. */
async function sourcesOf(
  reference: Reference,
  record: CheckedImage["record"],
  { credentials, tlsVerify }: RepairSettings,
): Promise<readonly (readonly [Repaired, Registry])[]> {
  const { EmbeddedRegistry } = await import("./embedded.ts");
  const embedded = new EmbeddedRegistry();
  const isEmbedded = formatReference(reference) === formatReference(parseReference(embeddedName));
  if (isEmbedded && (record === undefined || record.manifest === embedded.manifest.digest)) {
    return [["repaired", embedded]];
  }
  const registry = openRegistry({
    tlsVerify,
    ...(credentials === undefined ? {} : { credentials }),
  });
  if (record === undefined) return [["repaired", registry]];
  const same = pinnedRegistry(registry, record.index ?? record.manifest);
  // What was pulled by its digest is that and nothing else.
  const isExact = reference.digest !== undefined;
  return isExact
    ? [["repaired", same]]
    : [
        ["repaired", same],
        ["renewed", registry],
      ];
}

/** Whether the registry answered that there is no such image, or no longer all of it. */
function isGone(error: unknown): boolean {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (e instanceof RegistryError) return e.status === 404;
  }
  return false;
}

/** What to tell of a repair. */
export function describeRepair(repaired: Repaired, { name, wanted }: CheckedImage): string {
  if (repaired === "repaired") return `Repaired ${name}`;
  if (wanted === undefined) return `Removed ${name}`;
  const short = familiarName(wanted.reference);
  if (repaired === "renewed") return `Repaired ${name}: it is what ${short} means today`;
  return `Removed ${name}: its registry has it no more`;
}
