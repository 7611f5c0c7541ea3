/** The grammar of references, in tables of what is taken and what is refused. */

import { describe, expect, test } from "bun:test";
import { HbError } from "../errors.ts";
import { familiarName, formatReference, parseReference } from "./reference.ts";

const hex = "0123456789abcdef".repeat(4);
const digest = `sha256:${hex}`;

describe("parseReference() and formatReference() make names canonical", () => {
  const table: readonly (readonly [string, string])[] = [
    ["alpine", "docker.io/library/alpine:latest"],
    ["alpine:3.19", "docker.io/library/alpine:3.19"],
    ["user/app", "docker.io/user/app:latest"],
    ["docker.io/alpine", "docker.io/library/alpine:latest"],
    ["index.docker.io/alpine", "docker.io/library/alpine:latest"],
    ["registry-1.docker.io/user/app:1", "docker.io/user/app:1"],
    ["ghcr.io/a/b:tag", "ghcr.io/a/b:tag"],
    ["GHCR.io/a/b", "ghcr.io/a/b:latest"],
    ["ghcr.io/a", "ghcr.io/a:latest"],
    ["host:5000/a/b", "host:5000/a/b:latest"],
    ["localhost/a", "localhost/a:latest"],
    ["localhost:5000/a:b", "localhost:5000/a:b"],
    ["localhost:5000", "docker.io/library/localhost:5000"],
    ["[::1]:5000/a", "[::1]:5000/a:latest"],
    ["[2001:DB8::1]/a", "[2001:db8::1]/a:latest"],
    ["127.0.0.1:5000/a/b/c:d", "127.0.0.1:5000/a/b/c:d"],
    [`a@${digest}`, `docker.io/library/a@${digest}`],
    [`a:tag@${digest}`, `docker.io/library/a:tag@${digest}`],
    [`a@sha512:${hex}${hex}`, `docker.io/library/a@sha512:${hex}${hex}`],
    ["a__b/c.d/e---f:_X.-", "docker.io/a__b/c.d/e---f:_X.-"],
    [`a:${"t".repeat(128)}`, `docker.io/library/a:${"t".repeat(128)}`],
    ["xn--n3h.com/myimage", "xn--n3h.com/myimage:latest"],
    ["docker.io/localhost/x", "docker.io/localhost/x:latest"],
    [`${hex}:tag`, `docker.io/library/${hex}:tag`],
  ];
  for (const [text, canonical] of table) {
    test(`${text} is ${canonical}`, () => {
      const reference = parseReference(text);
      expect(formatReference(reference)).toBe(canonical);
      expect(parseReference(formatReference(reference))).toEqual(reference);
      expect(parseReference(familiarName(reference))).toEqual(reference);
    });
  }

  test("keeps both tag and digest", () => {
    expect(parseReference(`a:t@${digest}`)).toMatchObject({ tag: "t", digest });
  });
});

describe("familiarName() leaves out what goes without saying", () => {
  const table: readonly (readonly [string, string])[] = [
    ["docker.io/library/alpine", "alpine:latest"],
    ["docker.io/user/app:1", "user/app:1"],
    ["docker.io/localhost/x", "docker.io/localhost/x:latest"],
    ["docker.io/a.b/x", "docker.io/a.b/x:latest"],
    ["docker.io/library/a/b", "library/a/b:latest"],
    ["ghcr.io/library/a", "ghcr.io/library/a:latest"],
  ];
  for (const [text, familiar] of table) {
    test(`${text} is ${familiar}`, () => {
      expect(familiarName(parseReference(text))).toBe(familiar);
    });
  }
});

describe("parseReference() refuses, saying which part and why", () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ["", /it is empty/],
    [":tag", /the repository is missing/],
    [`@${digest}`, /the repository is missing/],
    ["ghcr.io/", /the repository is missing/],
    ["[::1]:5000", /the repository is missing/],
    ["a b", /a space cannot be part of a reference/],
    ["a\nb", /"\\n" cannot be part/],
    ["ä", /"ä" cannot be part/],
    ["Alpine", /repository must be lower case, got "Alpine"/],
    ["Foo/bar", /repository must be lower case, got "Foo"/],
    ["ghcr.io/a/B", /repository must be lower case, got "B"/],
    ["a//b", /the repository has an empty component/],
    ["/a", /the repository has an empty component/],
    ["a/", /the repository has an empty component/],
    ["-a/b", /repository component "-a" must be letters/],
    ["a..b", /repository component "a..b" must be/],
    ["a___b", /repository component "a___b" must be/],
    ["../../etc/passwd", /registry ".." is no host name/],
    ["a/../b", /repository component ".." must be/],
    ["a:", /the tag after the colon is empty/],
    ["a:-b", /invalid tag "-b"/],
    ["a:b:c", /invalid tag "b:c"/],
    [`a:${"t".repeat(129)}`, /invalid tag: longer than 128 characters/],
    ["a@", /invalid digest: expected the form sha256:HEX/],
    ["a@md5:00", /invalid digest: unknown algorithm "md5"/],
    ["a@sha256:00", /invalid digest: expected 64 hex digits/],
    [`a@sha256:${hex.toUpperCase()}`, /invalid digest: hex digits must be lower case/],
    [`a@${digest}:tag`, /invalid digest/],
    [hex, /64 hex digits are a digest, not a repository/],
    ["https://ghcr.io/a", /a reference has no https:\/\//],
    ["host:port/a", /port "port" of registry "host" is not a number from 1 to 65535/],
    ["host:0/a", /port "0"/],
    ["host:65536/a", /port "65536"/],
    ["host:/a", /port ""/],
    ["-host.io/a", /registry "-host.io" is no host name/],
    ["host..io/a", /registry "host..io" is no host name/],
    ["[::g]:1/a", /registry "\[::g\]" is no IPv6 address/],
    ["::1/a", /registry ""/],
    [`ghcr.io/${"a".repeat(256)}`, /repository is longer than 255 characters/],
  ];
  for (const [text, why] of table) {
    test(JSON.stringify(text.slice(0, 40)), () => {
      expect(() => parseReference(text)).toThrow(HbError);
      expect(() => parseReference(text)).toThrow(why);
    });
  }
});
