/** The commands about the store as a whole: their words and flags -> their options. */

import { UsageError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { parseFlags } from "./flags.ts";
import type { CommandName, Parser } from "./invocation.ts";
import { help, refuseExtra, rulesOf } from "./rules.ts";
import { checkFlags, lockFlags, systemDfFlags } from "./store-tables.ts";

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
  system([verb, ...argv]) {
    if (verb === undefined || verb === "--help" || verb === "-h") return help("system");
    if (verb !== "df") {
      const meant = nearest(verb, ["df", "prune"]);
      throw new UsageError(`hb system has no command "${verb}"`, {
        hint: `${meant === undefined ? "" : `did you mean '${meant}'? `}see 'hb help system'`,
      });
    }
    const { options, rest, help: asked } = parseFlags(systemDfFlags, argv, rulesOf("hb system"));
    if (asked) return help("system");
    refuseExtra("hb system df", rest[0], "hb system");
    return { command: "system", options: { verb, ...options } };
  },
} satisfies Partial<Record<CommandName, Parser>>;
