/** Flags of the commands about logins: data, docker's and podman's. */

import type { LoginOptions, LogoutOptions } from "../options/login.ts";
import { type FlagTable, one, toggle } from "./flags.ts";

/** `hb login`. */
export const loginFlags: FlagTable<Omit<LoginOptions, "registry">> = {
  username: one("username", "u"),
  password: one("password", "p"),
  passwordStdin: toggle("password-stdin"),
  getLogin: toggle("get-login"),
  tlsVerify: { name: "tls-verify", kind: "switch", otherwise: true },
};

/** `hb logout`. */
export const logoutFlags: FlagTable<Omit<LogoutOptions, "registry">> = { all: toggle("all", "a") };
