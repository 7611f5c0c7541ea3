/**
 * One layer from a stream into the store, by way of the helper.
 *
 * The helper holds the staging directory's lock, unpacks, and waits; this end checks the diffID and
 * says `commit` or hangs up. So whoever dies, and whenever, nothing half done is left with a name:
 * the helper removes its staging when its control pipe ends, and a staging directory whose lock
 * nobody holds is garbage. Two processes that want one layer meet at that lock: one works, the
 * other finds it `present`.
 */

import { closeSync, symlinkSync, write, writeFileSync, writeSync } from "node:fs";
import { HbError } from "../errors.ts";
import { helperFailure, spawnHelper } from "../helper/binary.ts";
import { bootId } from "../host/boot.ts";
import { layerForm } from "../host/identity.ts";
import { createPipe } from "../host/libc.ts";
import { type Digest, digestAlgorithm, digestHex } from "../image/digest.ts";
import { decompress } from "./decompress.ts";

/** Where a layer goes; both on one file system, `commit` to be renamed into place. */
export interface LayerPlaces {
  readonly staging: string;
  readonly commit: string;
  /** The helper's id map flags. */
  readonly mapFlags: readonly string[];
}

export interface UnpackJob extends LayerPlaces {
  readonly diffID: Digest;
  /** The blob, opened once it is known that this process unpacks it. */
  readonly open: () => AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  /** Another process has begun this layer; this one waits for it. */
  readonly onWaiting?: () => void;
}

export interface CompleteJob extends LayerPlaces {
  /** The tree of the unpacked layer that leans on those below it. */
  readonly layer: string;
  /** The trees below it, the topmost first. */
  readonly lowers: readonly string[];
  readonly signal: AbortSignal;
}

/** What a layer came to; all zero when somebody else unpacked it. */
export interface UnpackCounts {
  readonly entries: number;
  readonly bytes: number;
  /** Entries that need something of the layers below. */
  readonly pending: number;
  /** Owners that no mapped id stands for. */
  readonly squashed: number;
}

/**
 * `present`: it was there already, or came from another process meanwhile. `unneeded`: the layers
 * below would change nothing, there is no patch.
 */
export type Outcome =
  | { readonly state: "unpacked"; readonly counts: UnpackCounts }
  | { readonly state: "present" | "unneeded" };

/** The size of a layer's files, beside its diff/. */
const SIZE_FILE = "size";
/** Whose files they can be (host/identity.ts, `layerForm`). */
const FORM_FILE = "form";
/** A link that names the boot the layer is of, for `unsettledLayers`. */
const BOOT_LINK = "boot";

/** Room for the uncompressed stream between hb and the helper. */
const PIPE_BYTES = 1 << 20;

/**
 * Unpacks one layer and commits it. `whenCommitted` runs while the helper still holds the layer's
 * shared lock: the place to take one's own.
 */
export async function unpackLayer(job: UnpackJob, whenCommitted: () => void): Promise<Outcome> {
  const args = ["unpack", ...job.mapFlags, "--staging", job.staging, "--commit", job.commit];
  const session = new HelperSession(args, job.signal, { input: true });
  return await session.run(job, whenCommitted, () => streamInto(session, job), job.onWaiting);
}

/** Makes the patch layer that goes directly above `job.layer`, and commits it. */
export async function completeLayer(job: CompleteJob, whenCommitted: () => void): Promise<Outcome> {
  const args = ["complete", ...job.mapFlags, "--staging", job.staging, "--commit", job.commit];
  args.push("--layer", job.layer, ...job.lowers.flatMap((lower) => ["--lower", lower]));
  const session = new HelperSession(args, job.signal, { input: false });
  return await session.run(job, whenCommitted, async () => undefined);
}

/** Downloads, decompresses, hashes and writes, each of them while the others work. */
async function streamInto(session: HelperSession, job: UnpackJob): Promise<void> {
  const hash = new Bun.CryptoHasher(digestAlgorithm(job.diffID));
  let writing: Promise<void> = Promise.resolve();
  try {
    for await (const chunk of decompress(job.open())) {
      await writing;
      job.signal.throwIfAborted();
      writing = session.write(chunk);
      // Awaited by the next round; a failure until then must not count as unhandled.
      writing.catch(() => undefined);
      hash.update(chunk);
    }
  } finally {
    // The descriptor may not be closed while the thread pool still writes to it.
    await writing;
  }
  const actual = hash.digest("hex");
  if (actual === digestHex(job.diffID)) return;
  throw new HbError(`The layer's content is not what the image's config says (diffID)`, {
    cause: new HbError(`expected ${digestHex(job.diffID)}, got ${actual}`),
    hint: "the image is damaged or was tampered with: have it pushed again",
  });
}

/** One helper process and the protocol spoken with it. */
class HelperSession {
  readonly #process: Bun.Subprocess;
  readonly #lines: AsyncGenerator<string>;
  readonly #stderr: Promise<string>;
  #input: number | undefined;
  #control: number | undefined;
  /** Blocked on another process's lock: it cannot hear the control pipe, and holds nothing. */
  #waiting = false;

  constructor(
    args: readonly string[],
    readonly signal: AbortSignal,
    { input }: { readonly input: boolean },
  ) {
    signal.throwIfAborted();
    const control = createPipe(4096);
    const stdin = input ? createPipe(PIPE_BYTES) : undefined;
    try {
      this.#process = spawnHelper(args, {
        stdin: stdin?.readFd ?? "ignore",
        control: control.readFd,
      });
    } catch (error) {
      for (const fd of [control.writeFd, stdin?.writeFd]) if (fd !== undefined) closeSync(fd);
      throw error;
    } finally {
      for (const fd of [control.readFd, stdin?.readFd]) if (fd !== undefined) closeSync(fd);
    }
    this.#control = control.writeFd;
    this.#input = stdin?.writeFd;
    this.#lines = linesOf(this.#process.stdout as ReadableStream<Uint8Array>);
    this.#stderr = new Response(this.#process.stderr as ReadableStream<Uint8Array>).text();
    this.#stderr.catch(() => undefined);
  }

  /** The protocol from its first line to the helper's end. */
  async run(
    places: LayerPlaces,
    whenCommitted: () => void,
    work: () => Promise<void>,
    onWaiting?: () => void,
  ): Promise<Outcome> {
    const onAbort = () => this.#waiting && this.#process.kill("SIGKILL");
    this.signal.addEventListener("abort", onAbort);
    try {
      if ((await this.#open(onWaiting)) === "present") {
        return await this.#finish({ state: "present" });
      }
      await work();
      this.#closeInput();
      const word = await this.#expect("unpacked", "unneeded");
      if (word === "unneeded") return await this.#finish({ state: "unneeded" });
      const counts = parseCounts(word.slice("unpacked ".length));
      this.signal.throwIfAborted();
      writeFileSync(`${places.staging}/${SIZE_FILE}`, `${counts.bytes}\n`);
      writeFileSync(`${places.staging}/${FORM_FILE}`, `${layerForm(places.mapFlags)}\n`);
      symlinkSync(bootId() ?? "unknown", `${places.staging}/${BOOT_LINK}`);
      this.#commit();
      await this.#expect("committed");
      whenCommitted();
      return await this.#finish({ state: "unpacked", counts });
    } catch (error) {
      throw await this.#abandon(error);
    } finally {
      this.signal.removeEventListener("abort", onAbort);
    }
  }

  /** Waits for the staging directory; `present` if another process made the layer meanwhile. */
  async #open(onWaiting?: () => void): Promise<"ready" | "present"> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) throw new HelperGone();
      this.#waiting = value === "waiting";
      if (this.#waiting) onWaiting?.();
      this.signal.throwIfAborted();
      if (value === "ready" || value === "present") return value;
      if (value !== "waiting") throw unexpected(value);
    }
  }

  /** The helper's next line, which begins with one of `words`. */
  async #expect(...words: string[]): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new HelperGone();
    if (!words.includes(value.split(" ", 1)[0] ?? "")) throw unexpected(value);
    return value;
  }

  async #finish(outcome: Outcome): Promise<Outcome> {
    this.#hangUp();
    await this.#process.exited;
    return outcome;
  }

  /** Writes all of `chunk` to the helper's stdin, as fast as it reads. */
  async write(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.length; ) {
      done += await this.#writeSome(done === 0 ? chunk : chunk.subarray(done));
    }
  }

  #writeSome(chunk: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#input === undefined) return reject(new HelperGone());
      write(this.#input, chunk, (error, written) => {
        if (error === null) resolve(written);
        else reject(error.code === "EPIPE" ? new HelperGone() : error);
      });
    });
  }

  #commit(): void {
    if (this.#control === undefined) throw new HelperGone();
    try {
      writeSync(this.#control, "commit\n");
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === "EPIPE" ? new HelperGone() : error;
    }
  }

  #closeInput(): void {
    if (this.#input !== undefined) closeSync(this.#input);
    this.#input = undefined;
  }

  /** The end of the control pipe: without a commit before it, the helper drops everything. */
  #hangUp(): void {
    if (this.#control !== undefined) closeSync(this.#control);
    this.#control = undefined;
    this.#closeInput();
  }

  /** Has the helper drop its work, waits for that, and says what went wrong first. */
  async #abandon(error: unknown): Promise<unknown> {
    this.#hangUp();
    if (this.#waiting) this.#process.kill("SIGKILL");
    const exitCode = await this.#process.exited;
    if (this.signal.aborted) return this.signal.reason;
    return error instanceof HelperGone ? helperFailure(await this.#stderr, exitCode) : error;
  }
}

/** The helper ended before its time; what it said on stderr is the error. */
class HelperGone extends Error {
  override readonly name = "HelperGone";
}

function unexpected(line: string): Error {
  return new Error(`hb's helper said ${JSON.stringify(line)}, which is not in its protocol`);
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}

function parseCounts(json: string): UnpackCounts {
  const counts = JSON.parse(json) as Partial<UnpackCounts>;
  const { entries = 0, bytes = 0, pending = 0, squashed = 0 } = counts;
  return { entries, bytes, pending, squashed };
}
