/**
 * argv in, exit status out. The only process.exit and the only printer of errors.
 *
 * Every command is loaded when it is asked for: a cached `hb run` evaluates nothing it does not
 * use. But `run` and `exec` are here from the start: what they need is then one piece instead of
 * thirty, which takes 0.4 ms from either and costs the others nothing. A command is
 * `src/commands/NAME.ts` exporting `NAME(options)`, which returns the exit status.
 */

import { writeSync } from "node:fs";
import type { CommandName, Commands, Invocation } from "./cli/invocation.ts";
import { parseCommandLine } from "./cli.ts";
import { exec } from "./commands/exec.ts";
import { run } from "./commands/run.ts";
import { formatError, HbError } from "./errors.ts";

/** What a shell reports for a program that SIGPIPE ended. */
const EXIT_BROKEN_PIPE = 141;
const EXIT_RUN_FAILED = 125;

async function main(argv: readonly string[]): Promise<number> {
  try {
    if (process.platform !== "linux") {
      throw new HbError(`Cannot run on ${process.platform}: containers need a Linux kernel`, {
        hint: "run hb in a Linux machine or virtual machine",
      });
    }
    return await dispatch(parseCommandLine(argv));
  } catch (error) {
    if (isBrokenPipe(error)) return EXIT_BROKEN_PIPE;
    printError(error);
    return (error instanceof HbError ? error.exitCode : undefined) ?? defaultExitCode(argv);
  }
}

type Run = {
  readonly [Name in CommandName]: (options: Commands[Name]) => Promise<number>;
};

const commands: Run = {
  run,
  create: async (options) => (await import("./commands/create.ts")).create(options),
  start: async (options) => (await import("./commands/start.ts")).start(options),
  restart: async (options) => (await import("./commands/restart.ts")).restart(options),
  stop: async (options) => (await import("./commands/stop.ts")).stop(options),
  kill: async (options) => (await import("./commands/kill.ts")).kill(options),
  pause: async (options) => (await import("./commands/pause.ts")).pause(options),
  unpause: async (options) => (await import("./commands/pause.ts")).unpause(options),
  wait: async (options) => (await import("./commands/wait.ts")).wait(options),
  rm: async (options) => (await import("./commands/rm.ts")).rm(options),
  rename: async (options) => (await import("./commands/rename.ts")).rename(options),
  update: async (options) => (await import("./commands/update.ts")).update(options),
  ps: async (options) => (await import("./commands/ps.ts")).ps(options),
  logs: async (options) => (await import("./commands/logs.ts")).logs(options),
  exec,
  attach: async (options) => (await import("./commands/attach.ts")).attach(options),
  top: async (options) => (await import("./commands/top.ts")).top(options),
  stats: async (options) => (await import("./commands/stats.ts")).stats(options),
  port: async (options) => (await import("./commands/port.ts")).port(options),
  diff: async (options) => (await import("./commands/diff.ts")).diff(options),
  cp: async (options) => (await import("./commands/cp.ts")).cp(options),
  export: async (options) => (await import("./commands/export.ts")).exportContainer(options),
  events: async (options) => (await import("./commands/events.ts")).events(options),
  spec: async (options) => (await import("./commands/spec.ts")).spec(options),
  network: async (options) => (await import("./commands/network.ts")).network(options),
  pull: async (options) => (await import("./commands/pull.ts")).pull(options),
  login: async (options) => (await import("./commands/login.ts")).login(options),
  logout: async (options) => (await import("./commands/logout.ts")).logout(options),
  tags: async (options) => (await import("./commands/tags.ts")).tags(options),
  manifest: async (options) => (await import("./commands/manifest.ts")).manifest(options),
  images: async (options) => (await import("./commands/images.ts")).images(options),
  inspect: async (options) => (await import("./commands/inspect.ts")).inspect(options),
  tag: async (options) => (await import("./commands/tag.ts")).tag(options),
  history: async (options) => (await import("./commands/history.ts")).history(options),
  save: async (options) => (await import("./commands/save.ts")).save(options),
  load: async (options) => (await import("./commands/load.ts")).load(options),
  push: async (options) => (await import("./commands/push.ts")).push(options),
  commit: async (options) => (await import("./commands/commit.ts")).commit(options),
  import: async (options) => (await import("./commands/import.ts")).importFiles(options),
  rmi: async (options) => (await import("./commands/rmi.ts")).rmi(options),
  prune: async (options) => (await import("./commands/prune.ts")).prune(options),
  clean: async (options) => (await import("./commands/clean.ts")).clean(options),
  lock: async (options) => (await import("./commands/lock.ts")).lock(options),
  check: async (options) => (await import("./commands/check.ts")).check(options),
  store: async (options) => (await import("./commands/store.ts")).store(options),
  system: async (options) => (await import("./commands/system.ts")).system(options),
  doctor: async (options) => (await import("./commands/doctor.ts")).doctor(options),
  info: async (options) => (await import("./commands/info.ts")).info(options),
  version: async (options) => (await import("./commands/version.ts")).version(options),
  help: async (options) => (await import("./commands/help.ts")).help(options),
};

process.exit(await main(process.argv.slice(2)));

async function dispatch({ command, options }: Invocation): Promise<number> {
  // Each name comes with its own options (cli/invocation.ts).
  return commands[command](options as never);
}

function defaultExitCode(argv: readonly string[]): number {
  const isRun = argv[0] !== undefined && ["run", "create", "exec"].includes(argv[0]);
  return isRun ? EXIT_RUN_FAILED : 1;
}

/** The reader of our output went away (`hb images | head -1`): it is no failure of ours. */
function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}

function printError(error: unknown): void {
  const defect = error instanceof HbError ? "" : "this is a defect in hb: ";
  try {
    writeSync(2, `hb: ${defect}${formatError(error)}\n`);
  } catch (failure) {
    // Nobody reads our messages (closed or full descriptor 2); the exit status remains.
    if (!(failure instanceof Error && "code" in failure)) throw failure;
  }
}
