/**
 * Whether layers still have what was unpacked: their files compared with their recipes, by the
 * helper, since directories of theirs may belong to other ids. What was lost in a power cut shows
 * there (helper-zig/src/losses.zig); a changed byte does not.
 */

import { HbError } from "./errors.ts";
import { runHelper } from "./helper/binary.ts";
import { rebuildLayer } from "./layer/rebuild.ts";
import { printNotice } from "./output.ts";
import { settleLayer, unsettledLayers } from "./store/boot.ts";
import { discardLayers, HeldLayers, lacksRecipe, layerDefect } from "./store/layers.ts";
import { layerDiffID, layerSource, type StorePaths } from "./store/layout.ts";

/** Where layers are and how the helper gets at them. */
export interface LayerAccess {
  readonly store: StorePaths;
  /** The helper's id map flags. */
  readonly mapFlags: readonly string[];
}

/** What is wrong with layers, in words by name; those with nothing wrong are settled. */
export async function damageOf(
  names: readonly string[],
  access: LayerAccess,
): Promise<ReadonlyMap<string, string>> {
  const { store } = access;
  const damage = new Map<string, string>();
  using held = new HeldLayers(store);
  // What is not there is seen by whoever needs it, what is being removed is nobody's.
  const present = names.filter((name) => held.hold(name));
  for (const name of present) {
    const defect = layerDefect(store, name);
    if (defect !== undefined) damage.set(name, defect);
  }
  const formed = present.filter((name) => !damage.has(name));
  for (const [name, loss] of await lossesOf(formed, access)) damage.set(name, loss);
  for (const name of formed) if (!damage.has(name)) settleLayer(store, name);
  return damage;
}

/** Refuses layers that lost data in an earlier boot; they are of the image `name`. */
export async function refuseDamaged(
  name: string,
  layers: readonly string[],
  access: LayerAccess,
): Promise<void> {
  const damage = await damageOf(unsettledLayers(access.store, layers), access);
  for (const [layer, why] of damage) {
    throw new HbError(`Cannot use ${name}: its layer ${layer.slice(0, 12)} is damaged: ${why}`, {
      hint: "repair it with 'hb check --repair'",
    });
  }
}

/**
 * Takes away what a pull is to fetch again, and names it: layers that lost data, and those without
 * a recipe, which can be neither compared nor pushed.
 */
export async function discardUnfit(
  names: readonly string[],
  access: LayerAccess,
): Promise<ReadonlySet<string>> {
  const { store, mapFlags } = access;
  const damage = await damageOf(unsettledLayers(store, names), access);
  for (const [name, why] of damage) {
    printNotice(`the layer ${name.slice(0, 12)} is damaged and fetched again: ${why}`);
  }
  discardLayers(store, [...damage.keys()], mapFlags);
  const discarded = new Set(damage.keys());
  for (const name of names.filter((name) => lacksRecipe(store, name))) {
    try {
      discardLayers(store, [name], mapFlags);
      discarded.add(name);
    } catch (error) {
      // In use, for which it is good enough: another time.
      if (!(error instanceof HbError)) throw error;
    }
  }
  return discarded;
}

async function lossesOf(
  names: readonly string[],
  { store, mapFlags }: LayerAccess,
): Promise<ReadonlyMap<string, string>> {
  const losses = new Map<string, string>();
  if (names.length === 0) return losses;
  const paths = names.map((name) => layerSource(store, name));
  const said = runHelper(["losses", ...mapFlags, ...paths], "Cannot look through the layers");
  for (const [, number = "", letter, words = ""] of said.matchAll(/^(\d+) ([ch]) (.*)$/gm)) {
    const name = names[Number(number)];
    if (name === undefined) throw new Error(`hb's helper knows no layer ${number}`);
    const isHole = letter === "h";
    if (isHole && (await isSame(name, { store, mapFlags }))) continue;
    losses.set(name, words);
  }
  return losses;
}

/** Whether the layer's files make the very tar they came from. */
async function isSame(name: string, { store, mapFlags }: LayerAccess): Promise<boolean> {
  const diffID = layerDiffID(name);
  if (diffID === undefined) return false; // a patch has no tar
  const { signal } = new AbortController();
  const tar = rebuildLayer({ layer: layerSource(store, name), diffID, mapFlags, signal });
  try {
    for await (const _ of tar);
    return true;
  } catch (error) {
    if (error instanceof HbError) return false;
    throw error;
  }
}
