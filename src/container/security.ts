/** `--security-opt`: the options docker has, taken, harmless or refused. Pure. */

import { UsageError } from "../errors.ts";
import { nearest } from "../nearest.ts";

export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** A profile's file name, `unconfined`, or absent for the default profile. */
  readonly seccomp?: string;
  /** `systempaths=unconfined`: nothing of /proc and /sys is masked. */
  readonly unmasked: boolean;
}

const KNOWN = ["no-new-privileges", "seccomp", "systempaths", "label", "apparmor"];

/** All `--security-opt` texts together; the last of a kind counts. */
export function parseSecurityOptions(texts: readonly string[]): SecurityOptions {
  let options: SecurityOptions = { noNewPrivileges: false, unmasked: false };
  for (const text of texts) {
    // docker still takes the older `name:value`.
    const [, name = "", value] = /^([^=:]*)(?:[=:]([\s\S]*))?$/.exec(text) ?? [];
    switch (name) {
      case "no-new-privileges":
        options = { ...options, noNewPrivileges: parseBoolean(text, value ?? "true") };
        break;
      case "seccomp": {
        const { seccomp: _, ...others } = options;
        if (value === undefined || value === "") {
          throw refuse(text, "a file or 'unconfined' is missing");
        }
        options = value === "builtin" ? others : { ...others, seccomp: value };
        break;
      }
      case "systempaths":
        if (value !== "unconfined") throw refuse(text, "only systempaths=unconfined exists");
        options = { ...options, unmasked: true };
        break;
      default:
        checkHarmless(text, name, value);
    }
  }
  return options;
}

/** hb sets no SELinux label and no AppArmor profile: asking for none is what happens anyway. */
function checkHarmless(text: string, name: string, value: string | undefined): void {
  if (name === "label" && value === "disable") return;
  if (name === "apparmor" && value === "unconfined") return;
  if (name === "label") throw refuse(text, "hb sets no SELinux labels");
  if (name === "apparmor") throw refuse(text, "hb sets no AppArmor profiles");
  const meant = nearest(name, KNOWN);
  throw new UsageError(`Cannot use --security-opt "${text}": there is no option "${name}"`, {
    hint: meant === undefined ? `use one of: ${KNOWN.join(", ")}` : `did you mean ${meant}?`,
  });
}

function parseBoolean(text: string, value: string): boolean {
  if (value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw refuse(text, "its value is true or false");
}

function refuse(text: string, why: string): UsageError {
  return new UsageError(`Cannot use --security-opt "${text}": ${why}`);
}
