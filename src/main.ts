/**
 * argv in, exit status out. The only process.exit and the only printer of errors.
 *
 * Every command is loaded when it is asked for: a cached `hb run` evaluates nothing it does not
 * use. A command is `src/commands/NAME.ts` exporting `NAME(options)`, which returns the exit
 * status.
 */

import { writeSync } from "node:fs";
import { type Invocation, parseCommandLine } from "./cli.ts";
import { formatError, HbError } from "./errors.ts";

/** What a shell reports for a program that SIGPIPE ended. */
const EXIT_BROKEN_PIPE = 141;
const EXIT_RUN_FAILED = 125;

process.exit(await main(process.argv.slice(2)));

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

async function dispatch(invocation: Invocation): Promise<number> {
  switch (invocation.command) {
    case "run":
      return (await import("./commands/run.ts")).run(invocation.options);
    case "pull":
      return (await import("./commands/pull.ts")).pull(invocation.options);
    case "images":
      return (await import("./commands/images.ts")).images(invocation.options);
    case "rmi":
      return (await import("./commands/rmi.ts")).rmi(invocation.options);
    case "inspect":
      return (await import("./commands/inspect.ts")).inspect(invocation.options);
    case "spec":
      return (await import("./commands/spec.ts")).spec(invocation.options);
    case "network":
      return (await import("./commands/network.ts")).network(invocation.options);
    case "prune":
      return (await import("./commands/prune.ts")).prune(invocation.options);
    case "clean":
      return (await import("./commands/clean.ts")).clean(invocation.options);
    case "doctor":
      return (await import("./commands/doctor.ts")).doctor(invocation.options);
    case "version":
      return (await import("./commands/version.ts")).version(invocation.options);
    case "help":
      return (await import("./commands/help.ts")).help(invocation.options);
  }
}

function defaultExitCode(argv: readonly string[]): number {
  return argv[0] === "run" ? EXIT_RUN_FAILED : 1;
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
