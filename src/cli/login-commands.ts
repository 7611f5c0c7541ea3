/** The commands about logins: their words and flags -> their options. */

import { parseFlags } from "./flags.ts";
import type { CommandName, Parser } from "./invocation.ts";
import { loginFlags, logoutFlags } from "./login-tables.ts";
import { help, refuseExtra, rulesOf } from "./rules.ts";

/** The commands' parsers, by name. */
export const loginParsers = {
  login(argv) {
    const { options, rest, help: asked } = parseFlags(loginFlags, argv, rulesOf("hb login"));
    if (asked) return help("login");
    const [registry, extra] = rest;
    refuseExtra("hb login", extra);
    return {
      command: "login",
      options: registry === undefined ? options : { ...options, registry },
    };
  },
  logout(argv) {
    const { options, rest, help: asked } = parseFlags(logoutFlags, argv, rulesOf("hb logout"));
    if (asked) return help("logout");
    const [registry, extra] = rest;
    refuseExtra("hb logout", extra);
    return {
      command: "logout",
      options: registry === undefined ? options : { ...options, registry },
    };
  },
} satisfies Partial<Record<CommandName, Parser>>;
