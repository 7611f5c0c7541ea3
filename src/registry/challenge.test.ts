/** The grammar of WWW-Authenticate. */

import { describe, expect, test } from "bun:test";
import { parseChallenges } from "./challenge.ts";

function parse(header: string): unknown[] {
  return parseChallenges(header).map(({ scheme, params, token68 }) => [
    scheme,
    token68 ?? Object.fromEntries(params),
  ]);
}

describe("parseChallenges() reads", () => {
  const table: readonly (readonly [string, string, unknown])[] = [
    ["nothing", "", []],
    ["a bare scheme", "Negotiate", [["negotiate", {}]]],
    [
      "a registry's challenge",
      'Bearer realm="https://auth.docker.io/token",service="hub",scope="a:b:pull,push"',
      [
        [
          "bearer",
          {
            realm: "https://auth.docker.io/token",
            service: "hub",
            scope: "a:b:pull,push",
          },
        ],
      ],
    ],
    [
      "several challenges, told apart from parameters",
      'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
      [
        ["newauth", { realm: "apps", type: "1", title: 'Login to "apps"' }],
        ["basic", { realm: "simple" }],
      ],
    ],
    [
      "bare schemes among others",
      'Negotiate, Bearer realm="x", NTLM',
      [
        ["negotiate", {}],
        ["bearer", { realm: "x" }],
        ["ntlm", {}],
      ],
    ],
    [
      "a token68",
      "Negotiate YII=, Basic realm=x",
      [
        ["negotiate", "YII="],
        ["basic", { realm: "x" }],
      ],
    ],
    [
      "spaces around =",
      'Bearer realm = "x" ,  service=y',
      [["bearer", { realm: "x", service: "y" }]],
    ],
    ["empty list members", ', ,Bearer realm="x",,', [["bearer", { realm: "x" }]]],
    ["names in any case", 'BEARER REALM="X"', [["bearer", { realm: "X" }]]],
    ["the first of a repeated name", "Bearer a=1, a=2", [["bearer", { a: "1" }]]],
    ["an empty value in quotes", 'Bearer scope=""', [["bearer", { scope: "" }]]],
  ];
  for (const [what, header, expected] of table) {
    test(what, () => {
      expect(parse(header)).toEqual(expected as unknown[]);
    });
  }
});

describe("parseChallenges() refuses", () => {
  for (const header of [
    'Bearer realm="open',
    'Bearer realm="x" y',
    "Bearer =x",
    "Bearer a=1;b=2",
    "(",
  ]) {
    test(header, () => {
      expect(() => parseChallenges(header)).toThrow("WWW-Authenticate header");
    });
  }

  test("what is absurdly long", () => {
    expect(() => parseChallenges("a".repeat(20_000))).toThrow("too long");
  });
});
