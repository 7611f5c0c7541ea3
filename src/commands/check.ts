/** `hb check`: what of the images here is broken; `--repair` pulls it again. */

import { formatError, HbError } from "../errors.ts";
import { currentIdentity, helperMapFlags } from "../host/identity.ts";
import { interruptible } from "../host/interrupt.ts";
import { localMeanings } from "../host/short-names.ts";
import { digestHex } from "../image/digest.ts";
import { formatReference } from "../image/reference.ts";
import { damageOf } from "../intact.ts";
import type { CheckOptions } from "../options/store.ts";
import { printNotice, printResult } from "../output.ts";
import { type CheckedImage, checkImages } from "../store/check.ts";
import { createStore, currentStore, type StorePaths } from "../store/layout.ts";

/** A line for each defect, and exit status 1 if any is left. */
export async function check(options: CheckOptions): Promise<number> {
  const store = currentStore();
  const chosen = await look(store, options.images);
  const damaged = chosen.filter(({ defects }) => defects.length > 0);
  for (const { name, defects } of damaged) {
    for (const defect of defects) printResult(`${name}: ${defect}`);
  }
  if (damaged.length === 0) {
    if (!options.quiet) printResult(`${count(chosen.length, "image")}: nothing is broken`);
    return 0;
  }
  if (options.repair) return await repairAll(store, damaged, options);
  throw new HbError(`${count(damaged.length, "image")} of ${chosen.length} damaged`, {
    hint: "repair with 'hb check --repair'",
  });
}

/** Looks at the images that `texts` mean, and through all their layers. */
async function look(store: StorePaths, texts: readonly string[]): Promise<CheckedImage[]> {
  const chosen = choose(checkImages(store, new Map()), texts);
  const layers = new Set(chosen.flatMap(({ record }) => record?.layers ?? []));
  const mapFlags = helperMapFlags(currentIdentity());
  const damage = await damageOf([...layers], { store, mapFlags });
  return damage.size === 0 ? chosen : choose(checkImages(store, damage), texts);
}

/** Those that `texts` mean, by reference, digest or the beginning of an id; all for no text. */
function choose(images: readonly CheckedImage[], texts: readonly string[]): CheckedImage[] {
  if (texts.length === 0) return [...images];
  const chosen = texts.flatMap((text) => {
    const found = images.filter((image) => isMeant(image, text));
    if (found.length === 0)
      throw new HbError(`No such image: ${text}`, { hint: "see 'hb images'" });
    return found;
  });
  return [...new Set(chosen)];
}

function isMeant({ wanted, record }: CheckedImage, text: string): boolean {
  if (wanted === undefined) return false;
  const id = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(text)?.[1];
  if (id !== undefined && record !== undefined && digestHex(record.config).startsWith(id)) {
    return true;
  }
  if (text.startsWith("sha256:")) return false;
  const { reference } = wanted;
  return localMeanings(text).some((asked) => {
    if (formatReference(asked) === formatReference(reference)) return true;
    if (asked.digest === undefined || asked.repository !== reference.repository) return false;
    const isHere = asked.registry === reference.registry;
    return isHere && (record?.manifest === asked.digest || record?.index === asked.digest);
  });
}

async function repairAll(
  store: StorePaths,
  damaged: readonly CheckedImage[],
  { quiet, tlsVerify }: CheckOptions,
): Promise<number> {
  createStore(store, process.geteuid?.() ?? 0);
  const [{ describeRepair, repairImage }, { credentialsFor }] = await Promise.all([
    import("../repair.ts"),
    import("../credentials/given.ts"),
  ]);
  const settings = { store, identity: currentIdentity(), quiet, tlsVerify };
  for (const image of damaged) {
    try {
      const repaired = await interruptible(async (signal) => {
        const credentials = await credentialsFor({ notice: printNotice, signal });
        return await repairImage(image, { ...settings, credentials, signal });
      });
      if (!quiet) printResult(describeRepair(repaired, image));
    } catch (error) {
      // An interruption has an exit status of its own and is the end; else the others are tried.
      if (!(error instanceof HbError) || error.exitCode !== undefined) throw error;
      printNotice(formatError(error));
    }
  }
  const files = new Set<string>(damaged.map(({ file }) => file));
  const left = (await look(store, [])).filter(({ file, defects }) => {
    return files.has(file) && defects.length > 0;
  });
  if (left.length === 0) return 0;
  throw new HbError(`${count(left.length, "image")} could not be repaired`, {
    hint: "see the notices above",
  });
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
