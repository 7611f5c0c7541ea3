/** An image's layers as overlayfs takes them. */

import { chainIDs, type Layer } from "./config.ts";
import { type Digest, digestHex } from "./digest.ts";

/** A layer in its place. */
export interface StackedLayer extends Layer {
  /** Of this layer with all below it. */
  readonly chainID: Digest;
  /** Its directory in the store. */
  readonly name: string;
}

/**
 * Each layer once, where it is topmost. overlayfs refuses a directory twice (ELOOP), and the lower
 * occurrences change nothing: what they show, hide or make opaque, the topmost does as well.
 */
export function stackOf(layers: readonly Layer[]): StackedLayer[] {
  const chain = chainIDs(layers.map(({ diffID }) => diffID));
  const stack = new Map<string, StackedLayer>();
  for (const [i, layer] of layers.entries()) {
    const name = digestHex(layer.diffID);
    stack.delete(name);
    stack.set(name, { ...layer, name, chainID: chain[i] ?? layer.diffID });
  }
  return [...stack.values()];
}
