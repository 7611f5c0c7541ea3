/**
 * Everything the bench stands on: a temporary directory, the identities it measures as, the stop
 * watch, and the list of what must be undone.
 */

import { chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { findZig } from "../build.ts";
import { mountDisk } from "./disk.ts";

/** A contender that hangs loses its place in the row, not the bench its end. */
const commandMsMax = 180_000;

/** Who runs what is measured, and where that user's things are. */
export interface Identity {
  readonly name: "rootless" | "root";
  readonly userName: string;
  readonly uid: number;
  readonly gid: number;
  /** This user's own part of the workspace. */
  readonly directory: string;
  /** A whole environment: nothing of the bench's own leaks into what is measured. */
  readonly environment: Readonly<Record<string, string>>;
  /** hb-init's id map flags; none for root. */
  readonly mapFlags: readonly string[];
}

/** A program to run to its end; `argv[0]` is absolute. */
export interface Command {
  readonly as: Identity;
  readonly argv: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** What a command cost, with every descendant, and what it printed. */
export interface Spent {
  readonly wallMs: number;
  readonly cpuMs: number;
  /** The largest of its processes. */
  readonly peakMiB: number;
  /** CLOCK_MONOTONIC just before the fork. */
  readonly startedNs: number;
  readonly stdout: string;
}

interface Report {
  readonly status: number;
  readonly startedNs: number;
  readonly wallNs: number;
  readonly userUs: number;
  readonly sysUs: number;
  readonly peakKiB: number;
}

/** The temporary directory and what happens in it. */
export class Workspace {
  readonly directory: string;
  /** The directory is a file system of its own (disk.ts). */
  readonly hasOwnDisk: boolean;
  readonly programs: string;
  readonly meter: string;
  readonly identities: readonly Identity[];
  readonly #undo: (() => void | Promise<void>)[] = [];
  readonly #running = new Set<Bun.Subprocess>();
  #closing: Promise<void> | undefined;

  constructor(repository: string) {
    // Not the runtime's default, /tmp: that is often a tmpfs, and stores live on disks.
    this.directory = mkdtempSync(join(process.env.TMPDIR ?? "/var/tmp", "hb-bench-"));
    const unmount = mountDisk(this.directory);
    if (unmount !== undefined) this.defer(unmount);
    this.hasOwnDisk = unmount !== undefined;
    this.programs = join(this.directory, "programs");
    this.meter = join(this.programs, "meter");
    mkdirSync(this.programs);
    Bun.spawnSync(["chmod", "0755", this.directory]);
    this.identities = findUsers().map((user) => this.#identity(user));
    const flags = ["-OReleaseSmall", "-fstrip", "-fsingle-threaded"];
    const caches = ["--cache-dir", ".zig-cache", "--global-cache-dir", ".zig-cache/global"];
    const source = join(repository, "bench", "meter.zig");
    const target = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-none`;
    const zig = [findZig(), "build-exe", source, "-target", target, ...flags, ...caches];
    const built = Bun.spawnSync([...zig, `-femit-bin=${this.meter}`], { cwd: repository });
    if (built.exitCode !== 0) throw new Error(`Cannot build the meter: ${built.stderr}`);
  }

  /** A private copy of a program, readable by every identity wherever the original is. */
  install(path: string, name: string): string {
    const copy = join(this.programs, name);
    cpSync(path, copy);
    Bun.spawnSync(["chmod", "0755", copy]);
    return copy;
  }

  /** Undone last first, whatever happens. */
  defer(undo: () => void | Promise<void>): void {
    this.#undo.push(undo);
  }

  /** A new directory that belongs to the identity. */
  makeDirectory(identity: Identity, name: string, mode = 0o755): string {
    const path = join(identity.directory, name);
    mkdirSync(path, { recursive: true, mode });
    chownSync(path, identity.uid, identity.gid);
    return path;
  }

  /** Runs a command to its end; a status other than 0 is an error with what it said. */
  async spend(command: Command): Promise<Spent> {
    const report = join(this.directory, "report.json");
    const { uid, gid } = command.as;
    const as = process.getuid?.() === uid ? [] : ["--as", `${uid}:${gid}`];
    const argv = [this.meter, "spend", ...as, "--report", report, ...command.argv];
    const child = this.spawn({ ...command, argv });
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (child.exitCode !== 0) throw new Error(`meter: ${stderr.trim()}`);
    const spent: Report = JSON.parse(readFileSync(report, "utf8"));
    if (spent.status !== 0) {
      const said = stderr.trim().split("\n").slice(-3).join("; ").slice(-300);
      throw new Error(`${command.argv.join(" ")}: wait status ${spent.status}: ${said}`);
    }
    return {
      wallMs: spent.wallNs / 1e6,
      cpuMs: (spent.userUs + spent.sysUs) / 1e3,
      peakMiB: spent.peakKiB / 1024,
      startedNs: spent.startedNs,
      stdout,
    };
  }

  /** What a command printed; unlike `spend`, not waiting for what it leaves running. */
  async outputOf(command: Command): Promise<string> {
    const child = this.start(command);
    const stdout = await new Response(child.stdout).text();
    if ((await child.exited) === 0) return stdout;
    throw new Error(`${command.argv.join(" ")}: ${await new Response(child.stderr).text()}`);
  }

  /** Runs a preparation to its end; what it said when it failed, else nothing. */
  runSync(command: Command, cwd = this.directory): string | undefined {
    const { environment, uid, gid } = command.as;
    const done = Bun.spawnSync([...become({ uid, gid }), ...command.argv], {
      cwd,
      env: { ...environment, ...command.environment },
      stdout: "ignore",
      stderr: "pipe",
    });
    if (done.exitCode === 0) return undefined;
    const said = done.stderr.toString().trim();
    return `${command.argv.slice(0, 2).join(" ")}: status ${done.exitCode}: ${said.slice(-300)}`;
  }

  /** A copy of a tree that belongs to the identity. */
  copyTree(as: Identity, from: string, to: string): void {
    const parent = dirname(to);
    mkdirSync(parent, { recursive: true });
    Bun.spawnSync(["cp", "-r", "--no-dereference", from, to]);
    Bun.spawnSync(["chown", "-R", `${as.uid}:${as.gid}`, as.directory]);
  }

  /** Starts a program of the bench's own or one that stays; it dies with the bench. */
  spawn(command: Command): Bun.Subprocess<"ignore", "pipe", "pipe"> {
    if (this.#closing !== undefined) throw new Error("interrupted");
    const child = Bun.spawn([...command.argv], {
      cwd: this.directory,
      env: { ...command.as.environment, ...command.environment },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: commandMsMax,
      onExit: (ended) => {
        this.#running.delete(ended);
      },
    });
    this.#running.add(child);
    return child;
  }

  /** A long-running command as its identity. */
  start(command: Command): Bun.Subprocess<"ignore", "pipe", "pipe"> {
    return this.spawn({ ...command, argv: [...become(command.as), ...command.argv] });
  }

  /** Stops what runs, undoes what was done, removes the directory. Nothing starts after it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const child of this.#running) {
      child.kill("SIGKILL");
      await child.exited;
    }
    for (const undo of this.#undo.reverse()) await undo();
    // overlayfs leaves directories of mode 000, which their owner may not empty as they are.
    Bun.spawnSync(["chmod", "-R", "u+rwX", this.directory]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #identity(user: User): Identity {
    const directory = join(this.directory, user.name);
    const inside = (name: string) => join(directory, name);
    mkdirSync(directory);
    chownSync(directory, user.uid, user.gid);
    const identity: Identity = {
      name: user.name,
      userName: user.userName,
      uid: user.uid,
      gid: user.gid,
      directory,
      environment: {
        PATH: process.env.PATH ?? "/usr/bin:/bin",
        HOME: inside("home"),
        XDG_RUNTIME_DIR: inside("run"),
        HB_ROOT: inside("hb"),
        LC_ALL: "C.UTF-8",
      },
      mapFlags: user.mapFlags,
    };
    this.makeDirectory(identity, "home");
    this.makeDirectory(identity, "run", 0o700);
    return identity;
  }
}

/** What to put before a command so that it runs as somebody else. */
function become({ uid, gid }: { uid: number; gid: number }): string[] {
  if (process.getuid?.() === uid) return [];
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
}

interface User {
  readonly name: "rootless" | "root";
  readonly userName: string;
  readonly uid: number;
  readonly gid: number;
  readonly mapFlags: readonly string[];
}

/** Root measures both: rootless as the user the tests made. Anybody else measures rootless. */
function findUsers(): User[] {
  const uid = process.getuid?.() ?? 0;
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const accounts = lines.map((line) => line.split(":"));
  const rootless = accounts.find(([name, , id]) =>
    uid === 0 ? name === "hb-test" || name === "hbtest" : Number(id) === uid,
  );
  const users: User[] = [];
  if (rootless !== undefined) {
    const [name = "", , id, gid] = rootless;
    const ids = { userName: name, uid: Number(id), gid: Number(gid) };
    users.push({ ...ids, name: "rootless", mapFlags: mapFlags(ids) });
  }
  if (uid === 0) users.push({ name: "root", userName: "root", uid: 0, gid: 0, mapFlags: [] });
  return users;
}

/** hb-init's flags for a user's whole subordinate range; one id where there is none. */
function mapFlags(user: { userName: string; uid: number; gid: number }): string[] {
  const range = (file: string) => {
    const lines = readFileSync(file, "utf8").split("\n");
    const [, first, size] = lines.map((l) => l.split(":")).find(([n]) => n === user.userName) ?? [];
    return first === undefined ? "" : `,1:${first}:${size}`;
  };
  const tools = ["newuidmap", "newgidmap"].map((tool) => Bun.which(tool));
  const ranges = tools.includes(null) ? ["", ""] : [range("/etc/subuid"), range("/etc/subgid")];
  const flags = [`--uid-map=0:${user.uid}:1${ranges[0]}`, `--gid-map=0:${user.gid}:1${ranges[1]}`];
  if (ranges[0] !== "") flags.push(`--newuidmap=${tools[0]}`, `--newgidmap=${tools[1]}`);
  return flags.flatMap((flag) => flag.split("="));
}
