/** The commands that make, name and move images: their words and flags -> their options. */

import { parseFlags } from "./flags.ts";
import {
  commitFlags,
  historyFlags,
  importFlags,
  loadFlags,
  pushFlags,
  saveFlags,
} from "./image-tables.ts";
import type { Parser } from "./invocation.ts";
import { help, missing, refuseExtra, rulesOf } from "./rules.ts";

/** The commands' parsers, by name. */
export const imageParsers = {
  tag(argv) {
    const { rest, help: asked } = parseFlags({}, argv, rulesOf("hb tag"));
    if (asked) return help("tag");
    const [source, target, extra] = rest;
    if (source === undefined) throw missing("hb tag", "an image and a new name for it");
    if (target === undefined) throw missing("hb tag", "a new name after the image");
    refuseExtra("hb tag", extra);
    return { command: "tag", options: { source, target } };
  },
  history(argv) {
    const { options, rest, help: asked } = parseFlags(historyFlags, argv, rulesOf("hb history"));
    if (asked) return help("history");
    const [image, extra] = rest;
    if (image === undefined) throw missing("hb history", "an image");
    refuseExtra("hb history", extra);
    return { command: "history", options: { ...options, image } };
  },
  save(argv) {
    const { options, rest, help: asked } = parseFlags(saveFlags, argv, rulesOf("hb save"));
    if (asked) return help("save");
    if (rest.length === 0) throw missing("hb save", "an image");
    return { command: "save", options: { ...options, images: rest } };
  },
  load(argv) {
    const { options, rest, help: asked } = parseFlags(loadFlags, argv, rulesOf("hb load"));
    if (asked) return help("load");
    refuseExtra("hb load", rest[0]);
    return { command: "load", options };
  },
  push(argv) {
    const { options, rest, help: asked } = parseFlags(pushFlags, argv, rulesOf("hb push"));
    if (asked) return help("push");
    const [image, destination, extra] = rest;
    if (image === undefined) throw missing("hb push", "an image");
    refuseExtra("hb push", extra);
    const where = destination === undefined ? {} : { destination };
    return { command: "push", options: { ...options, image, ...where } };
  },
  commit(argv) {
    const { options, rest, help: asked } = parseFlags(commitFlags, argv, rulesOf("hb commit"));
    if (asked) return help("commit");
    const [container, reference, extra] = rest;
    if (container === undefined) throw missing("hb commit", "a container");
    refuseExtra("hb commit", extra);
    const named = reference === undefined ? {} : { reference };
    return { command: "commit", options: { ...options, container, ...named } };
  },
  import(argv) {
    const { options, rest, help: asked } = parseFlags(importFlags, argv, rulesOf("hb import"));
    if (asked) return help("import");
    const [source, reference, extra] = rest;
    if (source === undefined) throw missing("hb import", "a file, a URL or -");
    refuseExtra("hb import", extra);
    const named = reference === undefined ? {} : { reference };
    return { command: "import", options: { ...options, source, ...named } };
  },
} satisfies Readonly<Record<string, Parser>>;
