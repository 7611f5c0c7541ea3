import { describe, expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatError } from "./errors.ts";
import { digestOf } from "./image/digest.ts";
import { formatReference, parseReference } from "./image/reference.ts";
import { formatLockFile, type LockFile, lockedReference, parseLockFile } from "./lock-file.ts";

const lock: LockFile = {
  "docker.io/library/debian:12": {
    digest: digestOf("index"),
    platforms: { "linux/arm64": digestOf("arm64"), "linux/amd64": digestOf("amd64") },
  },
  "docker.io/library/alpine:latest": { digest: digestOf("alpine"), platforms: {} },
};

const directory = mkdtempSync(join(tmpdir(), "hb-lock-"));

function fileOf(text: string): string {
  const file = join(directory, crypto.randomUUID());
  writeFileSync(file, text);
  return file;
}

function errorOf(task: () => unknown): string {
  try {
    task();
  } catch (error) {
    return formatError(error);
  }
  throw new Error("it was no error");
}

describe("a lock file", () => {
  test("is read as it was written", () => {
    expect(parseLockFile(new TextEncoder().encode(formatLockFile(lock)))).toEqual(lock);
  });

  test("has the same bytes whatever the order of what is in it", () => {
    const reversed = Object.fromEntries(
      Object.entries(lock)
        .map(([name, { digest, platforms }]) => {
          const turned = Object.fromEntries(Object.entries(platforms).toReversed());
          return [name, { platforms: turned, digest }] as const;
        })
        .toReversed(),
    );
    expect(formatLockFile(reversed)).toBe(formatLockFile(lock));
    const text = formatLockFile(lock);
    expect(text.indexOf("alpine")).toBeLessThan(text.indexOf("debian"));
    expect(text.indexOf("amd64")).toBeLessThan(text.indexOf("arm64"));
  });

  test.each([
    ["{", /JSON/i],
    ['{"version": 2, "images": {}}', /version is 2/],
    ['{"version": 1}', /images/],
    ['{"version": 1, "images": {"a": {"digest": "x", "platforms": {}}}}', /digest/],
  ])("that is %s is an error of one line", (text, words) => {
    const file = fileOf(text);
    const said = errorOf(() => lockedReference(parseReference("debian:12"), file));
    expect(said).toMatch(words);
    expect(said).toContain(file);
  });
});

describe("lockedReference()", () => {
  test("is the locked digest, whatever the tag", () => {
    const file = fileOf(formatLockFile(lock));
    const locked = lockedReference(parseReference("debian:12"), file);
    expect(formatReference(locked)).toBe(`docker.io/library/debian@${digestOf("index")}`);
  });

  test("refuses what is not in the file, and a file that is not there", () => {
    const file = fileOf(formatLockFile(lock));
    const refused = errorOf(() => lockedReference(parseReference("debian:13"), file));
    expect(refused).toMatch(/debian:13: it is not in .*hb lock --file .* debian:13/);
    const absent = errorOf(() => lockedReference(parseReference("debian"), `${file}.absent`));
    expect(absent).toContain("there is no lock file");
  });
});
