/** The commands about containers: their words and flags -> their options. */

import type { CreateOptions } from "../options/containers.ts";
import {
  attachOwnFlags,
  cpFlags,
  createFlags,
  eventsFlags,
  execFlags,
  exportFlags,
  killFlags,
  logsFlags,
  psFlags,
  rmFlags,
  runFlags,
  startFlags,
  statsFlags,
  stopFlags,
  updateFlags,
  waitFlags,
} from "./container-tables.ts";
import { type FlagTable, type Parsed, parseFlags } from "./flags.ts";
import type { CommandName, Invocation, Parser } from "./invocation.ts";
import { containerRules, help, missing, refuseExtra, rulesOf } from "./rules.ts";

/** The commands' parsers, by name. */
export const containerParsers = {
  run(argv) {
    const parsed = parseFlags(runFlags, argv, containerRules("hb run"));
    if (parsed.help) return help("run");
    return { command: "run", options: { ...parsed.options, ...imageAndCommand("run", parsed) } };
  },
  create(argv) {
    const parsed = parseFlags(createFlags, argv, containerRules("hb create"));
    if (parsed.help) return help("create");
    const words = imageAndCommand("create", parsed);
    return { command: "create", options: { ...parsed.options, ...words } };
  },
  start: (argv) => onContainers("start", startFlags, argv),
  restart: (argv) => onContainers("restart", stopFlags, argv),
  stop: (argv) => onContainers("stop", stopFlags, argv),
  kill: (argv) => onContainers("kill", killFlags, argv),
  pause: (argv) => onContainers("pause", {}, argv),
  unpause: (argv) => onContainers("unpause", {}, argv),
  wait: (argv) => onContainers("wait", waitFlags, argv),
  rm: (argv) => onContainers("rm", rmFlags, argv, ({ all }) => all),
  stats: (argv) => onContainers("stats", statsFlags, argv, () => true),
  update: (argv) => onContainers("update", updateFlags, argv),
  rename(argv) {
    const [container, name] = words("rename", {}, argv, 2, "a container and its new name").rest;
    if (container === undefined || name === undefined) return help("rename");
    return { command: "rename", options: { container, name } };
  },
  ps(argv) {
    const parsed = words("ps", psFlags, argv, 0, "");
    return parsed.help ? help("ps") : { command: "ps", options: parsed.options };
  },
  logs: (argv) => onContainer("logs", logsFlags, argv),
  attach: (argv) => onContainer("attach", attachOwnFlags, argv),
  diff: (argv) => onContainer("diff", {}, argv),
  export: (argv) => onContainer("export", exportFlags, argv),
  exec(argv) {
    const rules = { ...rulesOf("hb exec"), stopEarly: true };
    const { options, rest, help: asked } = parseFlags(execFlags, argv, rules);
    if (asked) return help("exec");
    const [container, ...command] = rest;
    if (container === undefined) throw missing("hb exec", "a container and a command");
    if (command.length === 0) throw missing("hb exec", "a command after the container");
    return { command: "exec", options: { ...options, container, command } };
  },
  top(argv) {
    const { rest, help: asked } = parseFlags({}, argv, { ...rulesOf("hb top"), stopEarly: true });
    if (asked) return help("top");
    const [container, ...psArgs] = rest;
    if (container === undefined) throw missing("hb top", "a container");
    return { command: "top", options: { container, psArgs } };
  },
  port(argv) {
    const { rest, help: asked } = parseFlags({}, argv, rulesOf("hb port"));
    if (asked) return help("port");
    const [container, port, extra] = rest;
    if (container === undefined) throw missing("hb port", "a container");
    refuseExtra("hb port", extra);
    return { command: "port", options: port === undefined ? { container } : { container, port } };
  },
  cp(argv) {
    const parsed = words("cp", cpFlags, argv, 2, "a source and a destination");
    const [source, destination] = parsed.rest;
    if (source === undefined || destination === undefined) return help("cp");
    return { command: "cp", options: { ...parsed.options, source, destination } };
  },
  events(argv) {
    const parsed = words("events", eventsFlags, argv, 0, "");
    return parsed.help ? help("events") : { command: "events", options: parsed.options };
  },
} satisfies Partial<Record<CommandName, Parser>>;

/** Image and command; with `--rootfs` all words are the command. */
function imageAndCommand(
  name: "run" | "create",
  { options, rest }: Parsed<Pick<CreateOptions, "rootfs">>,
): Pick<CreateOptions, "image" | "command"> {
  if (options.rootfs !== undefined) return { command: rest };
  const [image, ...command] = rest;
  if (image === undefined) throw missing(`hb ${name}`, "an image");
  return { image, command };
}

/** A command with exactly `count` words after its flags. */
function words<Options>(
  name: CommandName,
  table: FlagTable<Options>,
  argv: readonly string[],
  count: number,
  what: string,
): Parsed<Options> {
  const command = `hb ${name}`;
  const parsed = parseFlags(table, argv, rulesOf(command));
  if (parsed.help) return parsed;
  if (parsed.rest.length < count) throw missing(command, what);
  refuseExtra(command, parsed.rest[count]);
  return parsed;
}

/** A command about one container. */
function onContainer<Name extends CommandName, Options>(
  name: Name,
  table: FlagTable<Options>,
  argv: readonly string[],
): Invocation {
  const { options, rest } = words(name, table, argv, 1, "a container");
  const [container] = rest;
  if (container === undefined) return help(name);
  // The table given with the name fills that command's options.
  return { command: name, options: { ...options, container } } as unknown as Invocation;
}

/** A command about any number of containers; none only where `mayBeNone` holds. */
function onContainers<Name extends CommandName, Options>(
  name: Name,
  table: FlagTable<Options>,
  argv: readonly string[],
  mayBeNone: (options: Options) => boolean = () => false,
): Invocation {
  const command = `hb ${name}`;
  const { options, rest, help: asked } = parseFlags(table, argv, rulesOf(command));
  if (asked) return help(name);
  if (rest.length === 0 && !mayBeNone(options)) throw missing(command, "a container");
  // The table given with the name fills that command's options.
  return { command: name, options: { ...options, containers: rest } } as unknown as Invocation;
}
