/**
 * From a layer in the store back to the tar it came as: the helper follows the layer's recipe
 * (helper-zig/src/recipe.zig), and the diffID says whether it is that tar.
 */

import { existsSync } from "node:fs";
import { HbError } from "../errors.ts";
import { helperFailure, spawnHelper } from "../helper/binary.ts";
import { type Digest, digestAlgorithm, digestHex, shortDigest } from "../image/digest.ts";

export interface RebuildJob {
  /** The layer's directory, which somebody keeps from being removed. */
  readonly layer: string;
  readonly diffID: Digest;
  /** The helper's id map flags. */
  readonly mapFlags: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * The layer's tar, in chunks; the end throws if it is not the one `diffID` names. Whoever stops
 * reading ends the helper.
 */
export async function* rebuildLayer(job: RebuildJob): AsyncGenerator<Uint8Array, void, undefined> {
  const { layer, diffID, mapFlags, signal } = job;
  signal.throwIfAborted();
  const doing = `Cannot write layer ${shortDigest(diffID)} as a tar`;
  if (!existsSync(`${layer}/recipe`)) {
    throw new HbError(`${doing}: how its tar was is not known`, {
      hint: "pull its image again (hb pull) while nothing runs on it",
    });
  }
  const helper = spawnHelper(["rebuild", ...mapFlags, "--layer", layer]);
  const said = new Response(helper.stderr as ReadableStream<Uint8Array>).text();
  said.catch(() => undefined); // of a helper that was killed
  const onAbort = (): void => helper.kill("SIGKILL");
  signal.addEventListener("abort", onAbort);
  const hash = new Bun.CryptoHasher(digestAlgorithm(diffID));
  try {
    for await (const chunk of helper.stdout as ReadableStream<Uint8Array>) {
      hash.update(chunk);
      yield chunk;
    }
    const exitCode = await helper.exited;
    signal.throwIfAborted();
    if (exitCode !== 0) throw new HbError(doing, { cause: helperFailure(await said, exitCode) });
    if (hash.digest("hex") === digestHex(diffID)) return;
    throw new HbError(`${doing}: its files have changed`, {
      hint: "remove the image with hb rmi and pull it again",
    });
  } finally {
    signal.removeEventListener("abort", onAbort);
    helper.kill("SIGKILL");
    await helper.exited;
  }
}
