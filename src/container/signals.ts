/** Names and numbers of signals, as docker takes them (moby/sys/signal). Pure. */

import { UsageError } from "../errors.ts";
import { nearest } from "../nearest.ts";

/** signal(7), by number from 1, the same on x86-64 and arm64. */
const NAMES = (
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP " +
  "TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split(" ");

const ALIASES: Readonly<Record<string, string>> = { IOT: "ABRT", CLD: "CHLD", POLL: "IO" };
const REALTIME_MIN = 34;
const SIGNAL_MAX = 64;

/** `SIGQUIT` for `quit`, `SIGQUIT` or `3`. */
export function parseSignal(text: string, flag: string): string {
  const bare = text.trim().toUpperCase().replace(/^SIG/, "");
  const name = ALIASES[bare] ?? bare;
  if (NAMES.includes(name)) return `SIG${name}`;
  if (/^RTMIN(\+([0-9]|[12][0-9]|30))?$|^RTMAX(-([0-9]|1[0-4]))?$/.test(name)) return `SIG${name}`;
  if (/^\d{1,2}$/.test(bare)) {
    const number = Number(bare);
    const known = NAMES[number - 1];
    if (known !== undefined) return `SIG${known}`;
    if (number >= REALTIME_MIN && number <= SIGNAL_MAX) return `SIGRTMIN+${number - REALTIME_MIN}`;
  }
  const meant = nearest(bare, NAMES);
  throw new UsageError(`Cannot use ${flag} ${JSON.stringify(text)}: there is no such signal`, {
    hint: meant === undefined ? "see signal(7)" : `did you mean SIG${meant}?`,
  });
}

/** The number of a signal as `parseSignal` names it. */
export function signalNumber(name: string): number {
  const bare = name.slice("SIG".length);
  const [, side, offset = "0"] = /^RT(MIN|MAX)(?:[+-](\d+))?$/.exec(bare) ?? [];
  if (side === "MIN") return REALTIME_MIN + Number(offset);
  if (side === "MAX") return SIGNAL_MAX - Number(offset);
  return NAMES.indexOf(bare) + 1;
}
