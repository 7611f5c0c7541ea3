/**
 * The helper program: embedded in hb, run from a sealed anonymous file.
 *
 * Nothing is written to disk, and nobody can replace or overwrite what runs, not even root of a
 * container that got hold of /proc/self/exe (CVE-2019-5736). `build.ts` puts the compiled helper
 * where the import finds it.
 */

import { readFileSync, writeSync } from "node:fs";
import helperPath from "../../dist/embed/hb-init" with { type: "file" };
import { HbError } from "../errors.ts";
import { createMemfd, LibcError, sealMemfd } from "../host/libc.ts";

let helper: number | undefined;

/** The helper as a sealed memfd, CLOEXEC, made at the first call. Run it as /proc/self/fd/N. */
export function helperFd(): number {
  if (helper !== undefined) return helper;
  try {
    const fd = createMemfd("hb-init", { executable: true });
    const bytes = readFileSync(helperPath);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    sealMemfd(fd);
    helper = fd;
    return fd;
  } catch (error) {
    throw new HbError("Cannot prepare hb's helper", {
      cause: error,
      ...(error instanceof LibcError && error.code === "EACCES"
        ? { hint: "allow executable memfds: sysctl -w vm.memfd_noexec=1" }
        : {}),
    });
  }
}

/** The helper's path for whoever execs it: resolved in the child, before CLOEXEC closes it. */
export function helperExecutable(): string {
  return `/proc/self/fd/${helperFd()}`;
}

/** Descriptors of a helper process: a number is handed on, the words are Bun.spawn's. */
export interface HelperStdio {
  readonly stdin?: number | "ignore";
  readonly stdout?: number | "ignore" | "inherit" | "pipe";
  readonly stderr?: "inherit" | "pipe";
  /** Handed on as descriptor 3. */
  readonly control?: number;
}

/** Starts `hb-init ARGS…` with an empty environment; nothing but `stdio` reaches it. */
export function spawnHelper(args: readonly string[], stdio: HelperStdio = {}): Bun.Subprocess {
  const { stdin = "ignore", stdout = "pipe", stderr = "pipe", control } = stdio;
  try {
    return Bun.spawn([helperExecutable(), ...args], {
      argv0: "hb-init",
      env: {},
      stdio: control === undefined ? [stdin, stdout, stderr] : [stdin, stdout, stderr, control],
    });
  } catch (error) {
    throw cannotStart(error);
  }
}

/** Runs `hb-init ARGS…` to its end and returns what it printed; its failure is thrown. */
export function runHelper(args: readonly string[], doing: string): string {
  const run = runHelperUnchecked(args);
  if (run.exitCode === 0) return run.stdout;
  throw new HbError(doing, { cause: helperFailure(run.stderr, run.exitCode) });
}

interface HelperRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runHelperUnchecked(args: readonly string[]): HelperRun {
  try {
    const run = Bun.spawnSync([helperExecutable(), ...args], { argv0: "hb-init", env: {} });
    const { exitCode, stdout, stderr } = run;
    return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
  } catch (error) {
    throw cannotStart(error);
  }
}

/** What a failed helper said, as the cause of whatever failed because of it. */
export function helperFailure(stderr: string, exitCode: number | null): HbError {
  const lines = stderr.split("\n").map((line) => line.replace(/^hb: /, "").trim());
  const said = lines.filter((line) => line !== "" && !line.startsWith("notice: "));
  if (said.length > 0) return new HbError(said.join(": "));
  const how = exitCode === null ? "was killed" : `ended with status ${exitCode}`;
  return new HbError(`hb's helper ${how} without saying why`);
}

function cannotStart(error: unknown): HbError {
  return new HbError("Cannot start hb's helper from memory", { cause: error });
}
