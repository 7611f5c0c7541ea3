/** `hb load`: the images of an archive into the store. */

import { Members } from "../archive/members.ts";
import { openArchive } from "../archive/open.ts";
import { readArchive } from "../archive/source.ts";
import { HbError } from "../errors.ts";
import { currentIdentity } from "../host/identity.ts";
import { interruptible } from "../host/interrupt.ts";
import { hostPlatform, parsePlatform } from "../image/platform.ts";
import { familiarName, namelessReference } from "../image/reference.ts";
import type { LoadOptions } from "../options/images.ts";
import { printResult } from "../output.ts";
import { pullImage } from "../pull.ts";
import { createStore, currentStore } from "../store/layout.ts";

/** Loads every image and says what each is called, or its id if the archive does not name it. */
export async function load(options: LoadOptions): Promise<number> {
  if (options.input === undefined && process.stdin.isTTY) {
    throw new HbError("Cannot load images from a terminal", {
      hint: "name the archive: hb load -i FILE",
    });
  }
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const host = hostPlatform(process.arch);
  const platform = options.platform === undefined ? host : parsePlatform(options.platform, host);
  const settings = { store, platform, quiet: options.quiet, identity: currentIdentity() };
  await interruptible(async (signal) => {
    using archive = await openArchive(store, options.input, signal);
    const source = await readSource(archive, options.input);
    for (const image of source.images) {
      const registry = source.only(image);
      const common = { ...settings, tlsVerify: true, registry, signal, verb: "load" as const };
      for (const name of image.names) {
        await pullImage(name, common);
        printResult(`Loaded image: ${familiarName(name)}`);
      }
      if (image.names.length > 0) continue;
      const { record } = await pullImage(namelessReference(image.root.digest), common);
      printResult(`Loaded image ID: ${record.config}`);
    }
  });
  return 0;
}

async function readSource({ fd, size }: { fd: number; size: number }, input: string | undefined) {
  try {
    return await readArchive(new Members(fd, size));
  } catch (error) {
    const where = input === undefined ? "standard input" : `"${input}"`;
    throw new HbError(`Cannot load images from ${where}`, { cause: error });
  }
}
