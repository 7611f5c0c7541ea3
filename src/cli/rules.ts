/** What the commands share: rules for flags, and the errors of too few or too many words. */

import { UsageError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { seeHelp } from "./flags.ts";
import type { Invocation } from "./invocation.ts";
import { dockerOnlyFlags } from "./tables.ts";

/** The command line that explains `topic`, or everything. */
export function help(topic: string | undefined): Invocation {
  return { command: "help", options: topic === undefined ? {} : { topic } };
}

/** The rules of a command that takes docker's container flags up to the image's name. */
export function containerRules(command: string) {
  return { command, stopEarly: true, explainUnknown: explainContainerFlag };
}

/** The rules of a command whose flags may be anywhere. */
export function rulesOf(command: string) {
  return { command, stopEarly: false, explainUnknown: explainFlag(command) };
}

function explainFlag(command: string) {
  return (flag: string, known: readonly string[]): string => {
    const meant = nearest(flag, known);
    return meant === undefined
      ? `see '${seeHelp(command)}'`
      : `did you mean ${meant}? see '${seeHelp(command)}'`;
  };
}

/** docker's flags that hb lacks get a sentence of their own. */
function explainContainerFlag(flag: string, known: readonly string[]): string {
  const name = flag.startsWith("--") ? flag.slice(2) : undefined;
  if (name !== undefined && dockerOnlyFlags.includes(name)) {
    return `docker has --${name}, this version of hb has not; see 'hb help run' for what there is`;
  }
  return explainFlag("hb run")(flag, known);
}

/** A command without what it is about. */
export function missing(command: string, what: string, topic = command): UsageError {
  return new UsageError(`${command} needs ${what}`, { hint: `see '${seeHelp(topic)}'` });
}

/** Refuses an argument too many. */
export function refuseExtra(command: string, extra: string | undefined, topic = command): void {
  if (extra === undefined) return;
  throw new UsageError(`${command} does not take another argument, got "${extra}"`, {
    hint: `see '${seeHelp(topic)}'`,
  });
}
