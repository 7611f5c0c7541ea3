/**
 * argv -> a command and its options. Pure: no file, no environment, no exit.
 *
 * Unknown commands and flags are errors that offer the nearest known one, never guesses. The help
 * texts are written by hand (commands/help.ts), not made from the tables.
 */

import { containerParsers } from "./cli/container-commands.ts";
import { parseFlags } from "./cli/flags.ts";
import { imageParsers } from "./cli/image-commands.ts";
import { type CommandName, commandNames, type Invocation, type Parser } from "./cli/invocation.ts";
import { loginParsers } from "./cli/login-commands.ts";
import { registryParsers } from "./cli/registry-commands.ts";
import { containerRules, help, missing, refuseExtra, rulesOf } from "./cli/rules.ts";
import { storeParsers } from "./cli/store-commands.ts";
import {
  formatFlags,
  imagesFlags,
  inspectFlags,
  networkCreateFlags,
  networkInspectFlags,
  networkLsFlags,
  networkRmFlags,
  pruneFlags,
  pullFlags,
  reportFlags,
  rmiFlags,
  specFlags,
} from "./cli/tables.ts";
import { UsageError } from "./errors.ts";
import { nearest } from "./nearest.ts";
import type { NetworkOptions } from "./options.ts";

const parsers: Readonly<Record<CommandName, Parser>> = {
  ...containerParsers,
  ...loginParsers,
  ...storeParsers,
  ...registryParsers,
  ...imageParsers,
  pull: parsePull,
  images: parseImages,
  rmi: parseRmi,
  inspect: parseInspect,
  spec: parseSpec,
  network: parseNetwork,
  prune: (argv) => parsePrune("prune", argv),
  clean: (argv) => parsePrune("clean", argv),
  doctor: parseDoctor,
  info: (argv) => parseFormatted("info", argv),
  version: (argv) => parseFormatted("version", argv),
  help: parseHelp,
};

/** Understands `argv`, the arguments after the program's name. */
export function parseCommandLine(argv: readonly string[]): Invocation {
  const [first, ...rest] = ungroup(argv);
  if (first === undefined || first === "--help" || first === "-h") return help(undefined);
  if (first === "--version" || first === "-v") return parseFormatted("version", rest);
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

/** `docker container ls` and `docker image rm`, as newer docker has them. */
const groups: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  container: { ls: "ps", list: "ps", ps: "ps", remove: "rm", prune: "prune --containers" },
  image: { ls: "images", list: "images", rm: "rmi", remove: "rmi", prune: "prune --images" },
  system: { df: "system df", info: "info" },
};

/** `container ls …` -> `ps …`: what is not renamed keeps its name. */
function ungroup(argv: readonly string[]): readonly string[] {
  const [group = "", verb, ...rest] = argv;
  const names = Object.hasOwn(groups, group) ? groups[group] : undefined;
  if (names === undefined || verb === undefined) return argv;
  const words = Object.hasOwn(names, verb) ? names[verb] : undefined;
  return [...(words?.split(" ") ?? [verb]), ...rest];
}

function parseSpec(argv: readonly string[]): Invocation {
  const rules = containerRules("hb spec");
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
  if (rest.length === 0) throw missing("hb pull", "an image");
  return { command: "pull", options: { ...options, images: rest } };
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
  if (rest.length === 0) throw missing("hb inspect", "a container or an image");
  return { command: "inspect", options: { ...options, names: rest } };
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
      const { options, rest, help: asked } = parseFlags(networkInspectFlags, argv, rules);
      if (!asked && rest.length === 0) throw missing(command, "a network", "hb network");
      return asked ? undefined : { verb, ...options, names: rest };
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

function parseDoctor(argv: readonly string[]): Invocation {
  const { options, rest, help: asked } = parseFlags(reportFlags, argv, rulesOf("hb doctor"));
  if (asked) return help("doctor");
  refuseExtra("hb doctor", rest[0]);
  return { command: "doctor", options };
}

function parseFormatted(command: "info" | "version", argv: readonly string[]): Invocation {
  const { options, rest, help: asked } = parseFlags(formatFlags, argv, rulesOf(`hb ${command}`));
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
