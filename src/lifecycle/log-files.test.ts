import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StorePath } from "../store/layout.ts";
import { LogCursor } from "./log-files.ts";
import { LogPrinter, type LogView } from "./log-record.ts";

let directory: StorePath;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hb-log-")) as StorePath;
});
afterEach(() => rmSync(directory, { recursive: true }));

function stamp(second: number): string {
  return `2026-11-22T01:02:${String(second).padStart(2, "0")}.000000000Z`;
}

function write(name: string, ...records: string[]): void {
  appendFileSync(join(directory, name), records.map((record) => `${record}\n`).join(""));
}

function out(second: number, text: string, tag = "F"): string {
  return `${stamp(second)} stdout ${tag} ${text}`;
}

/** What a reader prints, its streams told apart by `!` before stderr's. */
class Reading implements Disposable {
  readonly #cursor: LogCursor;
  readonly #printer: LogPrinter;
  #text = "";

  constructor(lines?: number, view: LogView = { timestamps: false }) {
    this.#cursor = new LogCursor(directory, lines);
    this.#printer = new LogPrinter(view, (stream, bytes) => {
      this.#text += (stream === "stderr" ? "!" : "") + Buffer.from(bytes).toString();
    });
  }

  /** What has come since the last time. */
  next(): string {
    this.#text = "";
    this.#cursor.read((block) => this.#printer.take(block));
    return this.#text;
  }

  [Symbol.dispose](): void {
    this.#cursor[Symbol.dispose]();
  }
}

function read(lines?: number, view?: LogView): string {
  using reading = new Reading(lines, view);
  return reading.next();
}

describe("a log", () => {
  test("is read from its oldest file to its newest, log.10 before log.9", () => {
    write("log", out(3, "three"));
    write("log.9", out(2, "two"));
    write("log.10", out(1, "one"));
    expect(read()).toBe("one\ntwo\nthree\n");
  });

  test("has pieces joined to lines, also across files, and its streams apart", () => {
    write("log.1", out(1, "a", "P"), `${stamp(1)} stderr F oh`);
    write("log", out(2, "b"), out(3, "end", "P"));
    expect(read()).toBe("a!oh\nb\nend");
  });

  test("is empty where nothing was written", () => {
    expect(read()).toBe("");
    expect(read(5)).toBe("");
  });

  test("is read around what a killed supervisor left unfinished", () => {
    write("log", out(1, "one"), "2026-11-22T01:0", "", out(2, "two"));
    appendFileSync(join(directory, "log"), out(3, "half"));
    expect(read()).toBe("one\ntwo\n");
    expect(read(1)).toBe("two\n");
  });
});

describe("the tail", () => {
  beforeEach(() => {
    write("log.1", out(1, "one"), out(2, "two"));
    write("log", out(3, "thr", "P"), out(3, "ee"), out(4, "four"), out(5, "fi", "P"));
  });

  const tails = { 0: "", 1: "fi", 2: "four\nfi", 3: "three\nfour\nfi", 4: "two\nthree\nfour\nfi" };
  for (const [lines, text] of Object.entries(tails)) {
    test(`of ${lines}`, () => expect(read(Number(lines))).toBe(text));
  }

  test("of more lines than there are is all", () => {
    expect(read(100)).toBe("one\ntwo\nthree\nfour\nfi");
  });

  test("is found in blocks, whatever they cut", () => {
    rmSync(join(directory, "log"));
    const text = "x".repeat(16 << 10);
    for (let n = 0; n < 40; n++) write("log", out(n, `${n}:${text}`));
    for (const lines of [1, 15, 16, 17, 39]) {
      const first = read(lines).split("\n")[0] ?? "";
      expect(first.split(":")[0]).toBe(String(40 - lines));
    }
  });
});

describe("the view", () => {
  const view = { since: stamp(2), until: stamp(3), timestamps: true };

  test("keeps what is between two moments, both included, each line with its own", () => {
    write("log", out(1, "one"), out(2, "tw", "P"), out(3, "o"), out(3, "three"), out(4, "four"));
    expect(read(undefined, view)).toBe(`${stamp(2)} two\n${stamp(3)} three\n`);
  });
});

describe("a log that is followed", () => {
  test("goes on where it was, a record at a time", () => {
    write("log", out(1, "one"));
    using reading = new Reading();
    expect(reading.next()).toBe("one\n");
    expect(reading.next()).toBe("");
    appendFileSync(join(directory, "log"), out(2, "two").slice(0, 42));
    expect(reading.next()).toBe("");
    appendFileSync(join(directory, "log"), "o\n");
    expect(reading.next()).toBe("two\n");
  });

  test("is followed through rotations, what was written before them included", () => {
    using reading = new Reading();
    expect(reading.next()).toBe("");
    write("log", out(1, "one"));
    expect(reading.next()).toBe("one\n");
    write("log", out(2, "two"));
    renameSync(join(directory, "log"), join(directory, "log.2"));
    write("log.1", out(3, "three"));
    write("log", out(4, "four"));
    expect(reading.next()).toBe("two\nthree\nfour\n");
  });

  test("goes on with what is left when its file was removed", () => {
    write("log", out(1, "one"));
    using reading = new Reading();
    expect(reading.next()).toBe("one\n");
    write("log", out(2, "two"));
    unlinkSync(join(directory, "log"));
    write("log", out(3, "three"));
    expect(reading.next()).toBe("two\nthree\n");
  });
});
