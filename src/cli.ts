/**
 * argv -> a command and its options. Pure: no file, no environment, no exit.
 *
 * Unknown commands and flags are errors that offer the nearest known one, never guesses. The help
 * texts are written by hand (commands/help.ts), not made from the tables.
 */

import { parseFlags, seeHelp } from "./cli/flags.ts";
import {
  dockerOnlyFlags,
  dockerOnlyLetters,
  imagesFlags,
  inspectFlags,
  networkCreateFlags,
  networkLsFlags,
  networkRmFlags,
  pruneFlags,
  pullFlags,
  reportFlags,
  rmiFlags,
  runFlags,
  specFlags,
} from "./cli/tables.ts";
import { UsageError } from "./errors.ts";
import { nearest } from "./nearest.ts";
import type {
  HelpOptions,
  ImagesOptions,
  InspectOptions,
  NetworkOptions,
  PruneOptions,
  PullOptions,
  ReportOptions,
  RmiOptions,
  RunOptions,
  SpecOptions,
} from "./options.ts";

/** A command line, understood. */
export type Invocation =
  | { readonly command: "run"; readonly options: RunOptions }
  | { readonly command: "pull"; readonly options: PullOptions }
  | { readonly command: "images"; readonly options: ImagesOptions }
  | { readonly command: "rmi"; readonly options: RmiOptions }
  | { readonly command: "inspect"; readonly options: InspectOptions }
  | { readonly command: "spec"; readonly options: SpecOptions }
  | { readonly command: "network"; readonly options: NetworkOptions }
  | { readonly command: "prune"; readonly options: PruneOptions }
  | { readonly command: "clean"; readonly options: PruneOptions }
  | { readonly command: "doctor"; readonly options: ReportOptions }
  | { readonly command: "version"; readonly options: ReportOptions }
  | { readonly command: "help"; readonly options: HelpOptions };

/** In the order help shows them. */
export const commandNames = [
  "run",
  "pull",
  "images",
  "rmi",
  "inspect",
  "spec",
  "network",
  "prune",
  "clean",
  "doctor",
  "version",
  "help",
] as const;

type CommandName = (typeof commandNames)[number];
type Parser = (argv: readonly string[]) => Invocation;

const parsers: Readonly<Record<CommandName, Parser>> = {
  run: parseRun,
  pull: parsePull,
  images: parseImages,
  rmi: parseRmi,
  inspect: parseInspect,
  spec: parseSpec,
  network: parseNetwork,
  prune: (argv) => parsePrune("prune", argv),
  clean: (argv) => parsePrune("clean", argv),
  doctor: (argv) => parseReport("doctor", argv),
  version: (argv) => parseReport("version", argv),
  help: parseHelp,
};

/** Understands `argv`, the arguments after the program's name. */
export function parseCommandLine(argv: readonly string[]): Invocation {
  const [first, ...rest] = argv;
  if (first === undefined || first === "--help" || first === "-h") return help(undefined);
  if (first === "--version" || first === "-v") return parseReport("version", rest);
  if (isCommand(first)) return parsers[first](rest);
  const known = first.startsWith("-") ? ["--help", "--version"] : commandNames;
  const meant = nearest(first, known);
  throw new UsageError(`hb has no ${first.startsWith("-") ? "flag" : "command"} "${first}"`, {
    hint: `${meant === undefined ? "" : `did you mean '${meant}'? `}see 'hb help'`,
  });
}

function isCommand(word: string): word is CommandName {
  return Object.hasOwn(parsers, word);
}

function help(topic: string | undefined): Invocation {
  return { command: "help", options: topic === undefined ? {} : { topic } };
}

function parseRun(argv: readonly string[]): Invocation {
  const explainUnknown = explainContainerFlag;
  const rules = { command: "hb run", stopEarly: true, explainUnknown };
  const { options, rest, help: asked } = parseFlags(runFlags, argv, rules);
  if (asked) return help("run");
  if (options.rootfs !== undefined) {
    return { command: "run", options: { ...options, command: rest } };
  }
  const [image, ...command] = rest;
  if (image === undefined) throw missing("hb run", "an image");
  return { command: "run", options: { ...options, image, command } };
}

function parseSpec(argv: readonly string[]): Invocation {
  const explainUnknown = explainContainerFlag;
  const rules = { command: "hb spec", stopEarly: true, explainUnknown };
  const { options, rest, help: asked } = parseFlags(specFlags, argv, rules);
  if (asked) return help("spec");
  const [image, directory, ...command] = rest;
  if (image === undefined) throw missing("hb spec", "an image and a directory");
  if (directory === undefined) throw missing("hb spec", "a directory after the image");
  return { command: "spec", options: { ...options, image, directory, command } };
}

function parsePull(argv: readonly string[]): Invocation {
  const { options, rest, help: asked } = parseFlags(pullFlags, argv, rulesOf("hb pull"));
  if (asked) return help("pull");
  const [image, extra] = rest;
  if (image === undefined) throw missing("hb pull", "an image");
  refuseExtra("hb pull", extra);
  return { command: "pull", options: { ...options, image } };
}

function parseImages(argv: readonly string[]): Invocation {
  const { options, rest, help: asked } = parseFlags(imagesFlags, argv, rulesOf("hb images"));
  if (asked) return help("images");
  const [image, extra] = rest;
  refuseExtra("hb images", extra);
  return { command: "images", options: image === undefined ? options : { ...options, image } };
}

function parseRmi(argv: readonly string[]): Invocation {
  const { options, rest, help: asked } = parseFlags(rmiFlags, argv, rulesOf("hb rmi"));
  if (asked) return help("rmi");
  if (rest.length === 0) throw missing("hb rmi", "an image");
  return { command: "rmi", options: { ...options, images: rest } };
}

function parseInspect(argv: readonly string[]): Invocation {
  const { options, rest, help: asked } = parseFlags(inspectFlags, argv, rulesOf("hb inspect"));
  if (asked) return help("inspect");
  if (rest.length === 0) throw missing("hb inspect", "an image");
  return { command: "inspect", options: { ...options, images: rest } };
}

const networkVerbs = ["create", "ls", "rm", "inspect", "prune"] as const;

/** `hb network VERB …`: as docker's, `hb network` alone explains itself. */
function parseNetwork([verb, ...argv]: readonly string[]): Invocation {
  if (verb === undefined || verb === "--help" || verb === "-h") return help("network");
  const known = networkVerbs.find((each) => each === verb);
  if (known === undefined) {
    const meant = nearest(verb, networkVerbs);
    throw new UsageError(`hb network has no command "${verb}"`, {
      hint: `${meant === undefined ? "" : `did you mean '${meant}'? `}see 'hb help network'`,
    });
  }
  const options = networkVerb(known, argv);
  return options === undefined ? help("network") : { command: "network", options };
}

function networkVerb(
  verb: (typeof networkVerbs)[number],
  argv: readonly string[],
): NetworkOptions | undefined {
  const command = `hb network ${verb}`;
  const rules = rulesOf("hb network");
  switch (verb) {
    case "create": {
      const { options, rest, help: asked } = parseFlags(networkCreateFlags, argv, rules);
      const [name, extra] = rest;
      if (asked) return undefined;
      if (name === undefined) throw missing("hb network create", "a name", "hb network");
      refuseExtra("hb network create", extra, "hb network");
      return { verb, ...options, name };
    }
    case "ls": {
      const { options, rest, help: asked } = parseFlags(networkLsFlags, argv, rules);
      refuseExtra(command, rest[0], "hb network");
      return asked ? undefined : { verb, ...options };
    }
    case "rm": {
      const { options, rest, help: asked } = parseFlags(networkRmFlags, argv, rules);
      if (!asked && rest.length === 0) throw missing(command, "a network", "hb network");
      return asked ? undefined : { verb, ...options, names: rest };
    }
    case "inspect": {
      const { rest, help: asked } = parseFlags({}, argv, rules);
      if (!asked && rest.length === 0) throw missing(command, "a network", "hb network");
      return asked ? undefined : { verb, names: rest };
    }
    case "prune": {
      const { rest, help: asked } = parseFlags({}, argv, rules);
      refuseExtra(command, rest[0], "hb network");
      return asked ? undefined : { verb };
    }
  }
}

function parsePrune(command: "prune" | "clean", argv: readonly string[]): Invocation {
  const { options, rest, help: asked } = parseFlags(pruneFlags, argv, rulesOf(`hb ${command}`));
  if (asked) return help(command);
  refuseExtra(`hb ${command}`, rest[0]);
  return { command, options };
}

function parseReport(command: "doctor" | "version", argv: readonly string[]): Invocation {
  const { options, rest, help: asked } = parseFlags(reportFlags, argv, rulesOf(`hb ${command}`));
  if (asked) return help(command);
  refuseExtra(`hb ${command}`, rest[0]);
  return { command, options };
}

function parseHelp(argv: readonly string[]): Invocation {
  const { rest, help: asked } = parseFlags({}, argv, rulesOf("hb help"));
  const [topic, extra] = rest;
  if (asked || topic === undefined) return help(undefined);
  refuseExtra("hb help", extra);
  if (isCommand(topic)) return help(topic);
  const meant = nearest(topic, commandNames);
  throw new UsageError(`hb has no command "${topic}" to explain`, {
    hint: meant === undefined ? "see 'hb help'" : `did you mean 'hb help ${meant}'?`,
  });
}

function rulesOf(command: string) {
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
  const name = flag.startsWith("--") ? flag.slice(2) : dockerOnlyLetters[flag[1] ?? ""];
  if (name !== undefined && dockerOnlyFlags.includes(name)) {
    return `docker has --${name}, this version of hb has not; see 'hb help run' for what there is`;
  }
  return explainFlag("hb run")(flag, known);
}

function missing(command: string, what: string, topic = command): UsageError {
  return new UsageError(`${command} needs ${what}`, { hint: `see '${seeHelp(topic)}'` });
}

function refuseExtra(command: string, extra: string | undefined, topic = command): void {
  if (extra === undefined) return;
  throw new UsageError(`${command} does not take another argument, got "${extra}"`, {
    hint: `see '${seeHelp(topic)}'`,
  });
}
