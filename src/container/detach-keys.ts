/** `--detach-keys`: the keys that leave a container or command running, in docker's words. Pure. */

import { UsageError } from "../errors.ts";

const DEFAULT_KEYS = "ctrl-p,ctrl-q";

/** The keys as bytes in hexadecimal, docker's for `undefined`; "" are none, as in podman. */
export function parseDetachKeys(text: string | undefined): string {
  const keys = text ?? DEFAULT_KEYS;
  if (keys === "") return "";
  const bytes = keys.split(",").map((key) => keyByte(key, keys));
  return Buffer.from(bytes).toString("hex");
}

/** moby/term, ToBytes: one ASCII character, or ctrl- with what has a control character. */
function keyByte(key: string, keys: string): number {
  if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0);
  const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
  if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
  throw new UsageError(`Cannot use --detach-keys ${JSON.stringify(keys)}`, {
    hint: "write characters and ctrl-LETTER with commas between them: ctrl-p,ctrl-q",
  });
}
