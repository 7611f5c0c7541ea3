/** The commands that ask a registry: their words and flags -> their options. */

import { UsageError } from "../errors.ts";
import { parseFlags } from "./flags.ts";
import type { CommandName, Parser } from "./invocation.ts";
import { manifestFlags, tagsFlags } from "./registry-tables.ts";
import { help, missing, refuseExtra, rulesOf } from "./rules.ts";

/** A parser for each of them. */
export const registryParsers = {
  tags: (argv) => {
    const { options, rest, help: asked } = parseFlags(tagsFlags, argv, rulesOf("hb tags"));
    if (asked) return help("tags");
    const [repository, extra] = rest;
    if (repository === undefined) throw missing("hb tags", "a repository");
    refuseExtra("hb tags", extra);
    return { command: "tags", options: { ...options, repository } };
  },
  manifest: ([verb, ...argv]) => {
    if (verb === undefined || verb === "--help" || verb === "-h") return help("manifest");
    if (verb !== "inspect") {
      throw new UsageError(`hb manifest has no command "${verb}"`, {
        hint: "there is 'hb manifest inspect'; see 'hb help manifest'",
      });
    }
    const command = "hb manifest inspect";
    const { options, rest, help: asked } = parseFlags(manifestFlags, argv, rulesOf("hb manifest"));
    if (asked) return help("manifest");
    const [image, extra] = rest;
    if (image === undefined) throw missing(command, "an image", "hb manifest");
    refuseExtra(command, extra, "hb manifest");
    return { command: "manifest", options: { ...options, image } };
  },
} as const satisfies Partial<Record<CommandName, Parser>>;
