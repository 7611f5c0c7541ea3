/** `hb save`: images as an archive that docker, podman, skopeo and hb load. */

import { additionalStores, storeWith } from "../additional.ts";
import { type NamedImage, saveImages } from "../archive/save.ts";
import { currentIdentity, helperMapFlags } from "../host/identity.ts";
import { interruptible } from "../host/interrupt.ts";
import { hostPlatform, parsePlatform } from "../image/platform.ts";
import { parseReference } from "../image/reference.ts";
import type { SaveOptions } from "../options/images.ts";
import { refuseTerminal, withSink, writeChunk } from "../output/sink.ts";
import { createStore, currentStore, type StorePaths } from "../store/layout.ts";
import { selectImage, selectImages } from "../store/select.ts";

/** Writes the images to standard output, or to a file. */
export async function save({
  images,
  output,
  platform,
  store: asked,
}: SaveOptions): Promise<number> {
  const hint = `write it to a file: hb save -o FILE.tar ${images.join(" ")}`;
  refuseTerminal({ output, hint });
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const chosen = choose(store, additionalStores(asked), images, platform);
  const mapFlags = helperMapFlags(currentIdentity());
  await interruptible((signal) =>
    withSink({ output, doing: `Cannot save ${images.join(" ")}`, hint }, async (fd) => {
      for await (const chunk of saveImages({ images: chosen, mapFlags, signal })) {
        await writeChunk(fd, chunk);
      }
    }),
  );
  return 0;
}

/** Each image once, by all the names it was asked for; by its id it has none, as in docker. */
function choose(
  own: StorePaths,
  others: readonly StorePaths[],
  texts: readonly string[],
  platform?: string,
): NamedImage[] {
  const host = hostPlatform(process.arch);
  const wanted = platform === undefined ? host : parsePlatform(platform, host);
  const chosen = new Map<string, NamedImage>();
  for (const text of texts) {
    const store = storeWith(own, others, text);
    const { record } = selectImage(store, text, wanted, platform !== undefined);
    const known = chosen.get(record.config) ?? { store, record, names: [] };
    const isId = selectImages(store, text).by === "id";
    const name = parseReference(record.reference);
    const isTag = !isId && !text.includes("@") && name.digest === undefined;
    const names = isTag ? [...known.names, name] : known.names;
    chosen.set(record.config, { ...known, names });
  }
  return [...chosen.values()];
}
