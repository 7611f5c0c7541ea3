/**
 * The house rules as code: who may import whom, sizes, calls that belong to one file, dead files,
 * and that the two descriptions of the plan agree. The formatter and the linter have the rest.
 */

import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const root = join(import.meta.dir, "..");
const columnsMax = 100;
const functionLinesMax = 70;
const fileLinesMax = 450;

/** Lists, which are not read from top to bottom; and one compiler, whose parts share its types. */
const longFiles = [
  ...["helper-zig/src/sys.zig", "tests/probe/probe.zig"],
  "helper-zig/src/seccomp.zig",
];

/** A part of src/ and the parts it may import; packages are named as they are imported. */
const imports: Readonly<Record<string, readonly string[]>> = {
  main: ["cli", "commands", "errors", "output"],
  cli: ["errors", "nearest", "options"],
  options: [],
  nearest: [],
  ip: [],
  errors: [],
  output: ["errors", "host", "nearest"],
  // Who asks a registry: from the command line, variables, files and helper programs.
  credentials: ["errors", "host", "image", "output", "registry"],
  "lock-file": ["errors", "image"],
  // Stores that are only read, beside the caller's own.
  additional: ["errors", "host", "image", "output", "store"],
  // How much the store may take.
  budget: ["container", "errors", "output", "store"],
  // Whether layers still have what was unpacked.
  intact: ["errors", "helper", "image", "layer", "output", "store"],
  pull: [
    ...["additional", "budget", "errors", "helper", "host", "image", "intact", "layer", "output"],
    ...["registry", "store"],
  ],
  push: ["credentials", "errors", "image", "layer", "output", "registry", "store"],
  // Images to and from archives.
  archive: ["errors", "image", "layer", "output", "registry", "store"],
  embedded: ["image", "registry"],
  // What `hb check` found broken, made whole again by a pull.
  repair: [
    ...["credentials", "embedded", "errors", "host", "image", "obtain", "pull", "registry"],
    "store",
  ],
  obtain: [
    ...["additional", "credentials", "embedded", "errors", "host", "image", "intact"],
    ...["lock-file", "options", "output", "pull", "registry", "store"],
  ],
  doctor: ["container", "errors", "helper", "host", "options", "store"],
  commands: [
    ...["additional", "archive", "container", "credentials", "doctor", "errors", "helper"],
    ...["host", "image", "intact", "layer", "lifecycle", "lock-file", "network", "obtain"],
    ...["options", "output", "pull"],
    ...["push", "registry", "repair", "store", "fflate"],
  ],
  // Containers that exist, and the way to a running one that several commands share.
  lifecycle: [
    ...["container", "errors", "helper", "host", "image", "nearest", "network", "obtain"],
    ...["options", "output", "store"],
  ],
  image: ["errors", "ip"],
  registry: ["image", "ip", "host", "errors", "ky"],
  layer: ["image", "host", "helper", "errors"],
  store: ["image", "host", "helper", "errors"],
  container: ["image", "errors", "ip", "nearest", "options"],
  helper: ["container", "host", "errors", "output", "bun:ffi"],
  // Of container only the types of id mappings and of what is to be known.
  host: ["container", "errors", "image", "ip", "bun:ffi"],
  // What a run is granted of this machine's networks, between the decision and the plan.
  network: ["container", "errors", "helper", "host", "ip", "store"],
};

interface Source {
  readonly path: string;
  readonly lines: readonly string[];
}

const sources = ["src", "helper-zig", "tests", "bench"].flatMap(sourcesIn);
const buildScript = source("build.ts");
const typescript = [...sources.filter(({ path }) => path.endsWith(".ts")), buildScript];
const zig = sources.filter(({ path }) => path.endsWith(".zig"));
const product = typescript.filter(({ path }) => path.startsWith("src/") && !isTest(path));

function sourcesIn(folder: string): Source[] {
  const files = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  const names = files
    .filter((file) => file.isFile() && /\.(ts|zig)$/.test(file.name))
    .map((file) => join(file.parentPath, file.name).slice(root.length + 1));
  return names.filter((name) => !name.includes(".zig-cache")).map(source);
}

function source(path: string): Source {
  return { path, lines: readFileSync(join(root, path), "utf8").split("\n") };
}

function isTest(path: string): boolean {
  return path.endsWith(".test.ts");
}

/** `PATH:LINE: text` of every line for which `broken` holds. */
function linesWhere(files: readonly Source[], broken: (line: string) => boolean): string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, at) => (broken(line) ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
  );
}

function except(files: readonly Source[], ...paths: string[]): Source[] {
  return files.filter(({ path }) => !paths.includes(path));
}

/** What a file imports: paths from the root for our own files, names for packages. */
function importsOf({ path, lines }: Source): string[] {
  const text = lines.join("\n");
  const pattern = path.endsWith(".zig")
    ? /@import\("([^"]+\.zig)"\)/g
    : /(?:\bfrom\s+|\bimport\s*\(\s*|^import\s+)"([^"$]+)"/gm;
  return [...text.matchAll(pattern)].map(([, name = ""]) => {
    const ours = name.startsWith(".") || path.endsWith(".zig");
    return ours ? normalize(join(dirname(path), name)) : name;
  });
}

/** `src/image/digest.ts` is of part `image`; `src/cli.ts` and `src/cli/flags.ts` both of `cli`. */
function partOf(path: string): string {
  return /^src\/([a-z-]+)/.exec(path)?.[1] ?? path;
}

describe("imports", () => {
  test("each part of src/ imports only what the table allows", () => {
    const broken = product.flatMap((file) => {
      const part = partOf(file.path);
      const allowed = [part, ...(imports[part] ?? [])];
      return importsOf(file)
        .filter((name) => !name.startsWith("node:") && name !== "bun")
        .filter((name) => !name.startsWith("dist/embed/"))
        .filter((name) => !allowed.includes(partOf(name)) && !/^package\.json$/.test(name))
        .map((name) => `${file.path} imports ${name}`);
    });
    expect(broken).toEqual([]);
  });

  test("commands do not import each other", () => {
    const commands = product.filter(({ path }) => path.startsWith("src/commands/"));
    const names = Object.keys(commandFiles());
    const broken = commands.flatMap((file) =>
      importsOf(file)
        .filter((name) => names.includes(name) && names.includes(file.path))
        .map((name) => `${file.path} imports ${name}`),
    );
    expect(broken).toEqual([]);
  });

  test("end-to-end tests import nothing from src/", () => {
    const blackBox = typescript.filter(({ path }) => /^tests\/(e2e|smoke|setup)\//.test(path));
    expect(
      blackBox.filter((file) => importsOf(file).some((name) => name.startsWith("src/"))),
    ).toEqual([]);
  });

  test("every file is used by another", () => {
    const used = new Set([...typescript, ...zig].flatMap(importsOf));
    const roots = /^(src\/main|bench\/(run|meter)|build)\.(ts|zig)$/;
    const programs = /^helper-zig\/src\/(main|hello|fuzz|\w+_test)\.zig$/;
    const scripts = /^tests\/(run|.*\/(run|main)|probe\/probe)\.(ts|zig)$|\.test\.ts$|\.d\.ts$/;
    const unused = [...typescript, ...zig]
      .map(({ path }) => path)
      .filter((path) => !used.has(path) && !roots.test(path) && !programs.test(path))
      .filter((path) => !scripts.test(path));
    expect(unused).toEqual([]);
  });
});

/** The files main.ts loads: one verb each. */
function commandFiles(): Readonly<Record<string, true>> {
  const main = product.filter(({ path }) => path === "src/main.ts").flatMap(importsOf);
  return Object.fromEntries(
    main.filter((name) => name.startsWith("src/commands/")).map((name) => [name, true]),
  );
}

describe("sizes", () => {
  test(`no line is longer than ${columnsMax} columns`, () => {
    expect(linesWhere([...typescript, ...zig], (line) => [...line].length > columnsMax)).toEqual(
      [],
    );
  });

  test(`no file is longer than ${fileLinesMax} lines`, () => {
    const long = [...typescript, ...zig].filter((file) => codeLines(file) > fileLinesMax);
    expect(long.map(({ path }) => path).filter((path) => !longFiles.includes(path))).toEqual([]);
  });

  test(`no function is longer than ${functionLinesMax} lines`, () => {
    expect([...typescript, ...zig].flatMap(longFunctions)).toEqual([]);
  });
});

/** Zig keeps its tests, last, in the file they are of. */
function codeLines({ path, lines }: Source): number {
  const firstTest = lines.findIndex((line) => line.startsWith('test "'));
  return path.endsWith(".zig") && firstTest >= 0 ? firstTest : lines.length;
}

/** Formatted code: a function ends at the first `}` that stands as far in as it began. */
function longFunctions({ path, lines }: Source): string[] {
  const begins = path.endsWith(".zig")
    ? /^ *(pub |export |inline |noinline )*fn /
    : /^ *(export |async |static )*(function\b|#?\w+\(.*\{$|const \w+ = (async )?\(.*=> \{$)/;
  const control = /^ *(if|for|while|switch|catch|describe|with)\b/;
  return lines.flatMap((line, at) => {
    // In Zig a function that returns a type is a container: its members count, not their sum.
    if (!begins.test(line) || control.test(line) || line.endsWith(" type {")) return [];
    const indent = / */.exec(line)?.[0] ?? "";
    const end = lines.findIndex((later, n) => n > at && later.startsWith(`${indent}}`));
    const length = end - at + 1;
    return length > functionLinesMax ? [`${path}:${at + 1}: ${length} lines`] : [];
  });
}

describe("calls that belong to one place", () => {
  test("only output.ts writes with console", () => {
    expect(linesWhere(except(product, "src/output.ts"), has("console."))).toEqual([]);
  });

  test("only main.ts exits", () => {
    expect(linesWhere(except(product, "src/main.ts"), has("process.exit("))).toEqual([]);
  });

  test("only host/libc.ts loads libraries", () => {
    expect(linesWhere(except(product, "src/host/libc.ts"), has("dlopen("))).toEqual([]);
  });

  test("std.posix stays out of the helper: it has no place for every errno", () => {
    const helper = zig.filter(({ path }) => path.startsWith("helper-zig/"));
    const code = (line: string) => !/^\s*\/\//.test(line) && line.includes("std.posix.");
    expect(linesWhere(except(helper, "helper-zig/src/sys.zig"), code)).toEqual([]);
  });

  test("`unreachable` in the helper says what proves it", () => {
    const broken = zig.flatMap(({ path, lines }) =>
      lines.flatMap((line, at) => {
        if (!/\bcatch unreachable\b/.test(line)) return [];
        const near = lines.slice(Math.max(0, at - 3), at + 1).join("");
        return near.includes("// proven:") ? [] : [`${path}:${at + 1}`];
      }),
    );
    expect(broken).toEqual([]);
  });

  test("no catch is empty, no type is any, no test waits for time to pass", () => {
    expect(linesWhere(typescript, (line) => /catch( \(\w+\))? \{\s*\}/.test(line))).toEqual([]);
    expect(linesWhere(product, (line) => /\bas any\b|: any\b/.test(line))).toEqual([]);
    const tests = typescript.filter(({ path }) => /^tests\/(e2e|smoke)\//.test(path));
    expect(linesWhere(tests, (line) => /Bun\.sleep|setTimeout\(/.test(line))).toEqual([]);
  });
});

function has(text: string) {
  return (line: string) => line.includes(text);
}

describe("words", () => {
  test("the specifications' words are used, and notes to oneself are not left behind", () => {
    const banned =
      /\b(layer id|layer info|deletion marker|image dir|cache dir|layers dir|port map)\b/;
    const diary = /\b(TODO|FIXME|XXX|HACK)\b/;
    const files = except([...typescript, ...zig], "tests/tidy.test.ts");
    expect(linesWhere(files, (line) => banned.test(line) || diary.test(line))).toEqual([]);
  });

  test("every file opens with what it is", () => {
    const files = [...typescript, ...zig].filter(
      ({ path }) => !path.endsWith(".d.ts") && !/^src\/.*\.test\.ts$/.test(path),
    );
    const silent = files.filter(({ lines: [first = ""] }) => !/^(\/\*\*|\/\/!|#!)/.test(first));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });
});

describe("the plan", () => {
  test("has the same keys in plan.ts and plan.zig", () => {
    const typescriptKeys = keysByType(source("src/container/plan.ts"), {
      type: /^export interface (\w+)/,
      key: /^ {2}readonly (\w+)\??:/,
    });
    // `Received` holds a plan and is no part of one.
    const { Received: _, ...zigKeys } = keysByType(source("helper-zig/src/plan.zig"), {
      type: /^pub const (\w+) = struct \{/,
      key: /^ {4}(\w+): /,
    });
    expect(Object.keys(typescriptKeys).length).toBeGreaterThan(10);
    expect(zigKeys).toEqual(typescriptKeys);
  });

  test("has no toolchain but the pinned ones in its package.json", () => {
    const { dependencies, devDependencies } = JSON.parse(source("package.json").lines.join("\n"));
    const versions = Object.values<string>({ ...dependencies, ...devDependencies });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    expect(existsSync(join(root, "bun.lock"))).toBe(true);
  });
});

function keysByType({ lines }: Source, is: { readonly type: RegExp; readonly key: RegExp }) {
  const keys: Record<string, string[]> = {};
  let type: string | undefined;
  for (const line of lines) {
    const found = is.type.exec(line)?.[1];
    if (found !== undefined) keys[found] = [];
    if (found !== undefined) type = found;
    if (/^\}/.test(line)) type = undefined;
    const key = is.key.exec(line)?.[1];
    if (type !== undefined && key !== undefined) keys[type]?.push(key);
  }
  return keys;
}
