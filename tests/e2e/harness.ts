/**
 * How the end-to-end tests run the built hb: nothing here or in the tests knows its sources.
 *
 * Each file makes one `Box`: a store of its own, temporary files of its own, and at its end a check
 * that nothing of it is left on the machine.
 */

import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Exit status (128+n for a signal) and everything printed. */
export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string | Blob;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

export const isRoot = process.getuid?.() === 0;
export const hbBinary = setting("HB_TEST_BIN");
/** The real registry, `127.0.0.1:PORT`. */
export const registry = setting("HB_TEST_REGISTRY");
export const busybox = `${registry}/busybox:1`;
export const debian = `${registry}/debian:12`;

/** A test of what only root can do, or only a user: absent from the other run. */
export const rootTest: typeof test = isRoot ? test : ignore();
export const rootlessTest: typeof test = isRoot ? ignore() : test;

/** A test that is skipped, and counted, where a program or an image is missing. */
export function testWith(need: string): typeof test {
  const missing = (process.env.HB_TEST_MISSING ?? "").split(",").includes(need);
  const image = ["busybox", "debian"].includes(need);
  const absent = image && !(process.env.HB_TEST_IMAGES ?? "").split(",").includes(need);
  return missing || absent ? (test.skip as typeof test) : test;
}

/** A store and a folder that belong to one test file. */
export class Box {
  readonly folder = mkdtempSync(join(process.env.TMPDIR ?? "/var/tmp", "hb-box-"));
  readonly store = join(this.folder, "store");

  constructor() {
    mkdirSync(join(this.folder, "tmp"));
    mkdirSync(join(this.folder, "home"));
  }

  /** A path in the box's folder. */
  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Everything hb may know of the machine it runs on. */
  env(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    const { PATH = "", LANG = "C.UTF-8" } = process.env;
    const home = this.path("home");
    return { PATH, LANG, HOME: home, TMPDIR: this.path("tmp"), HB_ROOT: this.store, ...extra };
  }

  /** Runs hb to its end. */
  async hb(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return this.command([hbBinary, ...args], options);
  }

  /** Runs any program to its end, in hb's environment. */
  async command(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
    const { stdin, env, cwd = this.folder, timeoutMs = 50_000 } = options;
    const child = Bun.spawn([...argv], {
      cwd,
      env: this.env(env),
      stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
      stdout: "pipe",
      stderr: "pipe",
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { status: await child.exited, stdout, stderr };
  }

  /** `hb run ARGS…` that must succeed: what it printed, without the last line end. */
  async output(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.hb(["run", "-q", ...args]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout.replace(/\n$/, "");
  }

  /** `hb ARGS…` that must succeed without a word on stderr: what it printed. */
  async must(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.hb(args);
    expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
    return stdout;
  }

  /** Starts a detached container that runs `script`; its id. */
  async started(script: string, ...flags: string[]): Promise<string> {
    const run = ["run", "-q", "-d", "--network", "none", ...flags];
    return (await this.must(...run, busybox, "sh", "-c", script)).trimEnd();
  }

  /** A failing command: its one line on stderr after any notices, and nothing on stdout. */
  async failure(status: number, args: readonly string[], options: RunOptions = {}) {
    const result = await this.hb(args, options);
    expect(result).toMatchObject({ status, stdout: "" });
    const said = result.stderr.replaceAll(/^hb: notice: .*\n/gm, "");
    expect(said).toMatch(/^hb: [^\n]+\n$/);
    return said.slice("hb: ".length, -1);
  }

  /** Starts hb and leaves it running. */
  start(args: readonly string[], extra: Readonly<Record<string, string>> = {}): Running {
    return new Running([hbBinary, ...args], this.env(extra), this.folder);
  }

  /** Starts any program on a terminal of its own. */
  onTerminal(argv: readonly string[], size: TerminalSize): OnTerminal {
    return new OnTerminal([...argv], this.env({ TERM: "xterm" }), size);
  }

  /** The last tests of every file: nothing is left, and a clean takes all there is. */
  leavesNothingBehind(): void {
    test("nothing of these tests is left: no process, mount, container or temporary file", () => {
      expect(processesWith(this.store)).toEqual([]);
      expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(this.store);
      expect(entries(join(this.store, "containers"))).toEqual([]);
      expect(entries(join(this.store, "tmp"))).toEqual([]);
      expect(entries(this.path("tmp"))).toEqual([]);
      expect(entries(this.path("home"))).toEqual([]);
    });

    test("hb clean --all leaves a store that its owner can delete", async () => {
      await this.hb(["rm", "-f", "--all"]); // what a test that failed has left
      expect(await this.hb(["clean", "--all"])).toMatchObject({ status: 0 });
      rmSync(this.folder, { recursive: true });
    });

    afterAll(() => rmSync(this.folder, { recursive: true, force: true }));
  }
}

/** A running hb whose output can be waited for. */
export class Running {
  readonly #child;
  readonly #decoder = new TextDecoder();
  #text = "";
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(argv: string[], env: Record<string, string>, cwd: string) {
    this.#child = Bun.spawn(argv, { cwd, env, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    void this.#read();
  }

  get pid(): number {
    return this.#child.pid;
  }

  get stdin() {
    return this.#child.stdin;
  }

  async #read(): Promise<void> {
    for await (const chunk of this.#child.stdout) {
      this.#text += this.#decoder.decode(chunk, { stream: true });
      this.#wake();
    }
    this.#ended = true;
    this.#wake();
  }

  /** Waits until standard output has `text`. */
  async until(text: string): Promise<void> {
    while (!this.#text.includes(text)) {
      if (this.#ended) {
        throw new Error(`ended before "${text}": ${this.#text}${await this.#child.stderr.text()}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.#child.pid, signal);
  }

  /** Waits for the end, of hb and of whatever else holds its standard output. */
  async end(): Promise<Result> {
    const stderr = await this.#child.stderr.text();
    const status = await this.#child.exited;
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return { status, stdout: this.#text, stderr };
  }
}

/** In characters. */
export interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

/** A program on a pseudo-terminal of its own; what it printed can be waited for. */
export class OnTerminal {
  readonly #decoder = new TextDecoder();
  readonly #child;
  #text = "";
  #wake: () => void = () => undefined;

  constructor(argv: string[], env: Record<string, string>, size: TerminalSize) {
    const data = (_: unknown, bytes: Uint8Array) => {
      this.#text += this.#decoder.decode(bytes, { stream: true });
      this.#wake();
    };
    this.#child = Bun.spawn(argv, { env, terminal: { ...size, data } });
    void this.#child.exited.then(() => this.#wake());
  }

  /** What was printed so far. */
  get text(): string {
    return this.#text;
  }

  async until(text: string): Promise<void> {
    while (!this.#text.includes(text)) {
      if (this.#child.exitCode !== null) throw new Error(`ended before "${text}": ${this.#text}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  type(text: string): void {
    this.#child.terminal?.write(text);
  }

  resize(cols: number, rows: number): void {
    this.#child.terminal?.resize(cols, rows);
  }

  async end(): Promise<{ readonly status: number; readonly text: string }> {
    const status = await this.#child.exited;
    this.#child.terminal?.close();
    return { status, text: this.#text.replaceAll("\r\n", "\n") };
  }
}

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: use 'bun run test e2e'`);
  return value;
}

function ignore(): typeof test {
  return (() => undefined) as unknown as typeof test;
}

/** Processes that have the store in their arguments, environment or mounts. */
function processesWith(store: string): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    if (Number(pid) === process.pid) return false;
    return ["cmdline", "environ", "mountinfo"].some((file) => {
      return readOrNothing(`/proc/${pid}/${file}`).includes(store);
    });
  });
}

/** Other users' processes cannot be read, and processes end while we look. */
function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (["EACCES", "ENOENT", "ESRCH", "EINVAL"].includes(String(code))) return "";
    throw error;
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
