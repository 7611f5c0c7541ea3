/**
 * The helper program: embedded in hb, run from a sealed anonymous file; where that is refused, from
 * a file of the store. The one place that decides which.
 *
 * From memory nothing is written to disk, and nobody can replace or overwrite what runs, not even
 * root of a container that got hold of /proc/self/exe (CVE-2019-5736). `vm.memfd_noexec=2` (Linux
 * 6.3) refuses to make such a file, and an AppArmor profile to execute it, for it has no name.
 *
 * On disk the same container could open the file for writing: it belongs to the very user who is
 * root inside, so no mode protects it. While a container runs the kernel does (ETXTBSY: its
 * supervisor executes the file; Linux 6.11 and the first 6.12 lack that), and hb compares the
 * content before each use. Real root gets no such file: what it guards there is the machine,
 * containers have no user namespace between, and root can lift what refuses.
 *
 * `build.ts` puts the compiled helper where the import finds it.
 */

import { readFileSync, writeSync } from "node:fs";
import helperPath from "../../dist/embed/hb-init" with { type: "file" };
import { HbError } from "../errors.ts";
import { confinement } from "../host/confinement.ts";
import { createMemfd, sealMemfd } from "../host/libc.ts";
import { printNotice } from "../output.ts";
import { fileOnDisk } from "./on-disk.ts";

/** Where the helper runs from, and what stands against memory if it is not there. */
export type HelperPlace =
  | { readonly kind: "memory" }
  | { readonly kind: "disk"; readonly path: string; readonly why: string; readonly fix: string }
  | { readonly kind: "nowhere"; readonly why: string; readonly fix: string };

let place: HelperPlace = { kind: "memory" };
let helper: number | undefined;
let directory: string | undefined;

/** Tells where the helper may be put, if it must. */
export function allowHelperIn(path: string): void {
  directory = path;
}

/** Where the helper ran from so far. */
export function helperPlace(): HelperPlace {
  return place;
}

/** The helper's content. */
export function helperBytes(): Uint8Array {
  return readFileSync(helperPath);
}

/**
 * Calls `start` with the path to execute, and once more with another where the first is refused.
 * The path is resolved in the child, before CLOEXEC closes the descriptor it names.
 */
export function startHelper<T>(start: (executable: string) => T): T {
  try {
    helper ??= inMemory();
    return start(`/proc/self/fd/${helper}`);
  } catch (error) {
    if (!isRefusal(error) || place.kind !== "memory") throw cannotStart(error);
    helper = onDisk(error);
  }
  try {
    return start(`/proc/self/fd/${helper}`);
  } catch (error) {
    throw cannotStart(error);
  }
}

function inMemory(): number {
  const fd = createMemfd("hb-init", { executable: true });
  const bytes = helperBytes();
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  sealMemfd(fd);
  return fd;
}

function onDisk(refusal: unknown): number {
  const { why, fix } = obstacle();
  if (directory === undefined || process.geteuid?.() === 0) {
    place = { kind: "nowhere", why, fix };
    throw cannotStart(refusal);
  }
  let file: ReturnType<typeof fileOnDisk>;
  try {
    file = fileOnDisk(directory, "hb-init", helperBytes());
  } catch (error) {
    place = { kind: "nowhere", why, fix };
    throw new HbError(`Cannot put hb's helper in "${directory}", as ${why}`, {
      cause: error,
      hint: fix,
    });
  }
  place = { kind: "disk", path: file.path, why, fix };
  printNotice(
    `hb's helper runs from ${file.path}, as ${why}: a file can be overwritten, and is compared ` +
      `with the original before each use; ${fix}`,
  );
  return file.fd;
}

function isRefusal(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EACCES" || code === "EPERM";
}

/** What refuses programs in memory here, and what would allow them. */
function obstacle(): { readonly why: string; readonly fix: string } {
  const { memfdNoexec, apparmorProfile } = confinement();
  if (memfdNoexec === 2) {
    return {
      why: "vm.memfd_noexec is 2 and forbids programs in memory",
      fix: "to allow them: sudo sysctl vm.memfd_noexec=1",
    };
  }
  if (apparmorProfile !== undefined) {
    return {
      why: `AppArmor's profile ${apparmorProfile} forbids programs in memory`,
      fix: "to avoid it, start hb outside of that profile",
    };
  }
  return {
    why: "this machine forbids programs in memory",
    fix: "a security module (SELinux, a sandbox) must allow executable memfds",
  };
}

function cannotStart(error: unknown): HbError {
  if (error instanceof HbError) return error;
  if (place.kind === "memory") return new HbError("Cannot start hb's helper", { cause: error });
  if (place.kind === "nowhere") {
    const doing = `Cannot start hb's helper: ${place.why}`;
    return new HbError(doing, { cause: error, hint: place.fix });
  }
  const elsewhere =
    "set HB_ROOT to a directory where programs may be executed (not mounted noexec)";
  const hint = isRefusal(error) ? `${elsewhere}, or ${place.fix}` : place.fix;
  return new HbError(`Cannot start hb's helper from "${place.path}"`, { cause: error, hint });
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
  return startHelper((executable) =>
    Bun.spawn([executable, ...args], {
      argv0: "hb-init",
      env: {},
      stdio: control === undefined ? [stdin, stdout, stderr] : [stdin, stdout, stderr, control],
    }),
  );
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
  const { exitCode, stdout, stderr } = startHelper((executable) =>
    Bun.spawnSync([executable, ...args], { argv0: "hb-init", env: {} }),
  );
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** What a failed helper said, as the cause of whatever failed because of it. */
export function helperFailure(stderr: string, exitCode: number | null): HbError {
  const lines = stderr.split("\n").map((line) => line.replace(/^hb: /, "").trim());
  const said = lines.filter((line) => line !== "" && !line.startsWith("notice: "));
  if (said.length > 0) return new HbError(said.join(": "));
  const how = exitCode === null ? "was killed" : `ended with status ${exitCode}`;
  return new HbError(`hb's helper ${how} without saying why`);
}
