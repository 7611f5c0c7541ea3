/** The files' form: which entry is meant, what is kept, and what messages leave out. */

import { describe, expect, test } from "bun:test";
import { findIn, normalizeKey, parseAuthFile, withEntry } from "./auth-file.ts";

function auth(username: string): { readonly auth: string } {
  return { auth: Buffer.from(`${username}:password`).toString("base64") };
}

/** The user that is found, or the helpers on the way to one. */
function found(file: object, registry: string, repository?: string): unknown[] {
  return findIn("FILE", { ...file }, registry, repository).map((each) => {
    if (each.kind === "helper") return `${each.name} ${each.key}${each.isOwn ? " own" : ""}`;
    const { credential } = each;
    return credential.kind === "basic" ? credential.username : credential;
  });
}

describe("findIn()", () => {
  const auths = {
    "reg.example": auth("all"),
    "reg.example/team": auth("team"),
    "reg.example/team/app": auth("app"),
    "https://index.docker.io/v1/": auth("hub"),
    "https://old.example/v2/": auth("old"),
    "REG.example:5000": auth("port"),
    "empty.example": {},
  };
  const cases: [string, string | undefined, string[]][] = [
    ["reg.example", "team/app", ["app"]],
    ["reg.example", "team/app/sub", ["app"]],
    ["reg.example", "team/application", ["team"]],
    ["reg.example", "teams/app", ["all"]],
    ["reg.example", undefined, ["all"]],
    ["docker.io", "library/alpine", ["hub"]],
    ["old.example", "v2/x", ["old"]],
    ["reg.example:5000", "x", ["port"]],
    ["example", "x", []],
    ["sub.reg.example", "x", []],
    ["empty.example", "x", []],
  ];
  for (const [registry, repository, expected] of cases) {
    test(`for ${registry} ${repository ?? ""}`, () => {
      expect(found({ auths }, registry, repository)).toEqual(expected);
    });
  }

  test("asks the registry's own helper first and the one for all last", () => {
    const file = {
      auths: { "a.example": auth("a"), "b.example": auth("b") },
      credHelpers: { "a.example": "own" },
      credsStore: "desktop",
    };
    expect(found(file, "a.example")).toEqual(["own a.example own", "a", "desktop a.example"]);
    expect(found(file, "b.example")).toEqual(["b", "desktop b.example"]);
    expect(found(file, "docker.io")).toEqual(["desktop https://index.docker.io/v1/"]);
  });

  test("takes an identity token before the name that stands beside it", () => {
    const nobody = "00000000-0000-0000-0000-000000000000";
    const entry = { ...auth(nobody), identitytoken: "refresh" };
    const expected = { kind: "identity", token: "refresh", username: nobody, origin: "FILE" };
    expect(found({ auths: { "a.example": entry } }, "a.example")).toEqual([expected]);
  });

  test("lets no helper's name lead elsewhere", () => {
    for (const name of ["../evil", "/bin/sh", "a b", "-x", "", 5]) {
      const file = { credHelpers: { "a.example": name } };
      expect(() => found(file, "a.example")).toThrow(/helper's name should be letters/);
    }
  });
});

describe("a damaged file", () => {
  const cases: [string, RegExp][] = [
    ['{"auths": {"a": {"auth": "c2VjcmV0"', /^Cannot read credentials in FILE: it is not JSON$/],
    ['["c2VjcmV0"]', /: it should be a JSON object$/],
    ['{"auths": "c2VjcmV0"}', /: auths should be a JSON object$/],
    ['{"auths": {"a.example": "c2VjcmV0"}}', /: auths\["a.example"\] should be a JSON object$/],
    ['{"auths": {"a.example": {"auth": "c2VjcmV0"}}}', /\.auth should be USER:PASSWORD in base64$/],
  ];
  for (const [text, message] of cases) {
    test(`${message}`, () => {
      const read = () => findIn("FILE", parseAuthFile("FILE", text), "a.example", undefined);
      expect(read).toThrow(message);
      expect(read).not.toThrow(/secret|c2VjcmV0/);
    });
  }
});

describe("withEntry()", () => {
  test("keeps what is not hb's and replaces an entry under the key it has", () => {
    const file = { HttpHeaders: { a: "b" }, auths: { "https://a.example/v1/": auth("old") } };
    expect(withEntry("FILE", file, "a.example", { auth: "new" })).toEqual({
      HttpHeaders: { a: "b" },
      auths: { "https://a.example/v1/": { auth: "new" } },
    });
  });

  test("removes every spelling of a registry and no prefix below it", () => {
    const auths = { "docker.io": {}, "https://index.docker.io/v1/": {}, "docker.io/me": {} };
    expect(withEntry("FILE", { auths }, "docker.io", undefined)).toEqual({
      auths: { "docker.io/me": {} },
    });
  });
});

test("normalizeKey() takes a URL's path for a version and a plain one for a namespace", () => {
  expect(normalizeKey("https://index.docker.io/v1/")).toBe("docker.io");
  expect(normalizeKey("http://A.example:5000/v2/")).toBe("a.example:5000");
  expect(normalizeKey("a.example/team/app")).toBe("a.example/team/app");
});
