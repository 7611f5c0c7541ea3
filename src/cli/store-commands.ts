/** The commands about the store as a whole: their words and flags -> their options. */

import { UsageError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { parseFlags } from "./flags.ts";
import type { CommandName, Parser } from "./invocation.ts";
import { help, missing, refuseExtra, rulesOf } from "./rules.ts";
import { checkFlags, lockFlags, storeFlags, systemDfFlags } from "./store-tables.ts";

/** The commands' parsers, by name. */
export const storeParsers = {
  check(argv) {
    const { options, rest, help: asked } = parseFlags(checkFlags, argv, rulesOf("hb check"));
    return asked ? help("check") : { command: "check", options: { ...options, images: rest } };
  },
  lock(argv) {
    const { options, rest, help: asked } = parseFlags(lockFlags, argv, rulesOf("hb lock"));
    return asked ? help("lock") : { command: "lock", options: { ...options, images: rest } };
  },
  store([verb, ...argv]) {
    if (verb === undefined || verb === "--help" || verb === "-h") return help("store");
    if (verb !== "export" && verb !== "import")
      throw noSuchVerb("store", verb, ["export", "import"]);
    const { options, rest, help: asked } = parseFlags(storeFlags, argv, rulesOf("hb store"));
    if (asked) return help("store");
    const [directory, ...images] = rest;
    if (directory === undefined) throw missing(`hb store ${verb}`, "a directory", "hb store");
    return { command: "store", options: { verb, directory, images, ...options } };
  },
  system([verb, ...argv]) {
    if (verb === undefined || verb === "--help" || verb === "-h") return help("system");
    if (verb !== "df") throw noSuchVerb("system", verb, ["df", "prune"]);
    const { options, rest, help: asked } = parseFlags(systemDfFlags, argv, rulesOf("hb system"));
    if (asked) return help("system");
    refuseExtra("hb system df", rest[0], "hb system");
    return { command: "system", options: { verb, ...options } };
  },
} satisfies Partial<Record<CommandName, Parser>>;

function noSuchVerb(command: string, verb: string, known: readonly string[]): UsageError {
  const meant = nearest(verb, known);
  return new UsageError(`hb ${command} has no command "${verb}"`, {
    hint: `${meant === undefined ? "" : `did you mean '${meant}'? `}see 'hb help ${command}'`,
  });
}
