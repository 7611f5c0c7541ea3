/** What a token endpoint is asked: which scopes, and over which channels by whom. */

import { describe, expect, test } from "bun:test";
import type { Challenge } from "./challenge.ts";
import type { Credential } from "./credential.ts";
import { type AuthorizationRequest, tokenQuestion } from "./token.ts";

const basic: Credential = { kind: "basic", username: "hb", password: "secret", origin: "" };

function need(scope: string, isPlainHttp = false): AuthorizationRequest {
  return { doing: "Cannot test", scope, repository: "a/b", isPlainHttp };
}

function bearer(realm: string, scope?: string): Challenge {
  const params = new Map([["realm", realm], ...(scope === undefined ? [] : [["scope", scope]])] as [
    string,
    string,
  ][]);
  return { scheme: "bearer", params };
}

describe("the scopes that are asked for", () => {
  const pull = "repository:a/b:pull";
  const push = "repository:a/b:pull,push";
  const cases: [string, string | undefined, string[]][] = [
    [pull, pull, [pull]],
    [pull, "repository:mirror/a/b:pull", ["repository:mirror/a/b:pull"]],
    [pull, undefined, [pull]],
    [push, pull, [push]],
    [push, "repository:a/b:push,pull aws", ["aws", push]],
    [push, "repository:a/bc:pull", ["repository:a/bc:pull", push]],
    [`${push} repository:c:pull`, push, [push, "repository:c:pull"]],
    [push, push, [push]],
    [pull, `${pull} aws`, [pull, "aws"]],
    ["", undefined, []],
    ["", "registry:catalog:*", ["registry:catalog:*"]],
  ];
  for (const [wanted, announced, expected] of cases) {
    test(`for "${wanted}" where the registry says "${announced}"`, () => {
      const realm = bearer("https://t.test/token?x=1", announced);
      const { url } = tokenQuestion(need(wanted), realm, undefined, false);
      expect(url.searchParams.getAll("scope")).toEqual(expected);
      expect(url.searchParams.get("x")).toBe("1");
    });
  }
});

describe("a token endpoint in plain HTTP", () => {
  const remote = bearer("http://t.test/token");
  const local = bearer("http://127.0.0.1:5001/token");
  const ask = (realm: Challenge, isPlainHttp: boolean, who?: Credential, allowsPlainHttp = false) =>
    tokenQuestion(need("", isPlainHttp), realm, who, allowsPlainHttp);

  test("on another machine gets no secret unless the user allows it", () => {
    expect(() => ask(remote, true, basic)).toThrow("t.test is not HTTPS");
    expect(() => ask(remote, false, basic, true)).toThrow("t.test is not HTTPS");
    expect(ask(remote, true, basic, true).authorization).toStartWith("Basic ");
  });

  test("is good enough for nobody in particular, if the registry is spoken to like that", () => {
    expect(ask(remote, true).url.href).toBe("http://t.test/token");
    expect(() => ask(remote, false)).toThrow("t.test is not HTTPS");
  });

  test("on this machine gets secrets", () => {
    expect(ask(local, false, basic).authorization).toStartWith("Basic ");
  });
});

test("a name and a password in the realm itself are not used", () => {
  const { url } = tokenQuestion(need(""), bearer("https://a:b@t.test/token#c"), undefined, false);
  expect(url.href).toBe("https://t.test/token");
});
