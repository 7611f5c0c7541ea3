/** What is fuzzed, and what must hold for every input whatever. */

import {
  entryOf,
  findIn,
  helperOf,
  ownKey,
  parseAuthFile,
  targetsOf,
  withEntry,
} from "../../src/credentials/auth-file.ts";
import { credentialFrom } from "../../src/credentials/helper.ts";
import { HbError } from "../../src/errors.ts";
import { parseConfig } from "../../src/image/config.ts";
import { isDigest } from "../../src/image/digest.ts";
import { parseDocument, selectManifest } from "../../src/image/manifest.ts";
import { ociManifest } from "../../src/image/media-type.ts";
import { parsePlatform } from "../../src/image/platform.ts";
import { familiarName, formatReference, parseReference } from "../../src/image/reference.ts";
import { compileTemplate } from "../../src/output/template.ts";
import { parseChallenges } from "../../src/registry/challenge.ts";

export interface Target {
  /** Throws when `input` breaks a promise. */
  readonly check: (input: Buffer) => void;
  /** Words and marks of the grammar, to mutate with. */
  readonly pieces: readonly string[];
}

export const targets: Readonly<Record<string, Target>> = {
  reference: {
    check: checkReference,
    pieces: [
      ..."/:@.-_[] \0",
      "docker.io",
      "library/",
      "localhost",
      ":5000",
      "[::1]",
      "@sha256:",
      "..",
      "__",
      "https://",
      "a".repeat(64),
      "0".repeat(128),
      "é",
    ],
  },
  challenge: {
    check: checkChallenge,
    pieces: [
      ...'",=\\ \t;',
      "Bearer ",
      "Basic ",
      'realm="',
      "scope=",
      ", ",
      "YII=",
      '\\"',
      "==",
      "é",
    ],
  },
  document: {
    check: checkDocument,
    pieces: [
      ...'{}[],:"0-',
      "null",
      "1e999",
      "9007199254740993",
      '"layers":',
      '"manifests":',
      '"config":{},',
      '"__proto__":',
      '"mediaType":',
      '"digest":"sha256:',
      '"platform":',
      "\\u0000",
      "\xff",
    ],
  },
  credentials: {
    check: checkCredentials,
    pieces: [
      ...'{}[],:"/.',
      ...['"auths":{', '"credHelpers":{', '"credsStore":"', '"auth":"', '"identitytoken":"'],
      ...['"registrytoken":"', '"username":"', '"password":"', '"__proto__":', '"constructor":'],
      ...["r.test", "r.test/a", "https://r.test/v1/", "https://index.docker.io/v1/", "docker.io"],
      ...['"Username":"', '"Secret":"', "<token>", btoa("u:p"), btoa("u"), "../../x", "null", "1"],
      "\\u0000",
    ],
  },
  template: {
    check: checkTemplate,
    pieces: [
      ...["{{", "}}", "{{- ", " -}}", "{{end}}", "{{else}}", "{{/*", "*/}}", "{{break}}"],
      ...["range ", "if ", "with ", "else if ", "$x := ", "$i, $e := ", "$x = ", "$x", "$", "."],
      ...["(", ")", "|", ",", '"', "`", "'", "\\", " ", ".a", ".b", ".c", '.d "e.f"', ".g", ".h"],
      ...["printf ", '"%-9.3q"', '"%[1]*d"', "index ", "slice ", "eq ", "and ", "json ", "split "],
      ...["0x", "1e9", "-1", "999999999999", "é", "\0"],
    ],
  },
};

/** What templates are rendered with: one of everything. */
const row = { a: 1, b: "text", c: [1, "x", null], d: { "e.f": true }, g: () => "", h: null };

const grammar = new RegExp(
  [
    "^[a-z0-9.[\\]:-]+/[a-z0-9._/-]+",
    "(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?",
    "(?:@sha(?:256|512):[0-9a-f]+)?$",
  ].join(""),
);

/** Canonical text is by the grammar, means itself again, and never climbs out of a directory. */
function checkReference(input: Buffer): void {
  const reference = unlessRefused(() => parseReference(input.toString()));
  if (reference === undefined) return;
  const text = formatReference(reference);
  same(text, formatReference(parseReference(text)), "format and parse differ");
  same(text, formatReference(parseReference(familiarName(reference))), "familiar name differs");
  if (!grammar.test(text)) throw new Error(`outside the grammar: ${text}`);
  const parts = [reference.registry, ...reference.repository.split("/"), reference.tag ?? "x"];
  if (parts.some((part) => part === "" || part === "." || part === ".." || part.includes("/"))) {
    throw new Error(`not safe as a path: ${text}`);
  }
}

/** Schemes and names are tokens; printing and parsing again gives the same. */
function checkChallenge(input: Buffer): void {
  const challenges = unlessRefused(() => parseChallenges(input.toString("latin1")));
  if (challenges === undefined) return;
  const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
  const printed = challenges.map(({ scheme, params, token68 }) => {
    if (![scheme, ...params.keys()].every((name) => token.test(name))) throw new Error("no token");
    const list = [...params].map(([name, value]) => `${name}="${value.replace(/["\\]/g, "\\$&")}"`);
    return [scheme, token68 ?? list.join(", ")].filter((part) => part !== "").join(" ");
  });
  const show = (list: typeof challenges): string =>
    JSON.stringify(list.map(({ scheme, params, token68 }) => [scheme, [...params], token68]));
  // Printing doubles backslashes, so what was just within the length limit may not be again.
  const text = printed.join(", ");
  if (text.length < 16_000) same(show(challenges), show(parseChallenges(text)), "parse differs");
}

/** Whatever comes out of a document or config is of the promised shape. */
function checkDocument(input: Buffer): void {
  unlessRefused(() => parseConfig(input));
  const document = unlessRefused(() => parseDocument(input, ociManifest));
  const any = document ?? unlessRefused(() => parseDocument(input, ""));
  if (any === undefined) return;
  const descriptors = any.kind === "index" ? any.manifests : [any.config, ...any.layers];
  for (const { digest, size } of descriptors) {
    if (!isDigest(digest) || !Number.isSafeInteger(size) || size < 0) throw new Error("bad shape");
  }
  if (any.kind !== "index") return;
  const host = { os: "linux", architecture: "amd64" };
  unlessRefused(() => selectManifest(any, parsePlatform("linux/arm/v7", host)));
}

/**
 * A file of logins is refused or searched, and no refusal repeats what is in it; what is entered is
 * found and what is taken out is not; a helper's name is no path. So is a helper's answer read.
 */
function checkCredentials(input: Buffer): void {
  const text = input.toString();
  const credential = unlessRefused(() => credentialFrom("x", text));
  if (credential?.kind === "basic" && credential.username === "") throw new Error("no name");
  const file = unlessRefused(() => parseAuthFile("FILE", text));
  if (file === undefined) return;
  for (const target of ["r.test", "docker.io", "r.test/a/b"]) {
    const [registry = "", ...path] = target.split("/");
    const repository = path.length === 0 ? undefined : path.join("/");
    for (const found of unlessRefused(() => findIn("FILE", file, registry, repository)) ?? []) {
      const isPath = found.kind === "helper" && /[/\s]|^[.-]/.test(found.name);
      if (isPath) throw new Error(`a helper that is no name: ${found.name}`);
    }
    unlessRefused(() => helperOf("FILE", file, target));
    const entry = entryOf({ username: "me", password: "own" });
    const entered = unlessRefused(() => withEntry("FILE", file, target, entry));
    if (entered === undefined) continue;
    const [own] = unlessRefused(() => findIn("FILE", entered, registry, repository)) ?? [];
    if (own?.kind === "credential" && Reflect.get(own.credential, "password") !== "own") {
      throw new Error(`${target}: another login than the one entered`);
    }
    const gone = withEntry("FILE", entered, target, undefined);
    if (ownKey("FILE", gone, "auths", target) !== undefined) throw new Error("it is still there");
  }
  for (const target of unlessRefused(() => targetsOf("FILE", file)) ?? []) {
    const keys = [
      ownKey("FILE", file, "auths", target),
      ownKey("FILE", file, "credHelpers", target),
    ];
    if (keys.every((key) => key === undefined)) throw new Error(`not found again: ${target}`);
  }
}

/** A template is refused or rendered, over a document and over a row. */
function checkTemplate(input: Buffer): void {
  const text = input.toString();
  unlessRefused(() => compileTemplate(text).render(row));
  unlessRefused(() => compileTemplate(text, ["a", "b", "c"]).render(row));
}

/** A parser's result, or undefined for a proper refusal. Anything else it throws is a defect. */
function unlessRefused<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof HbError) return undefined;
    throw error;
  }
}

function same(a: string, b: string, what: string): void {
  if (a !== b) throw new Error(`${what}: ${a} and ${b}`);
}
