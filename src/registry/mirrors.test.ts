/** Which places a name leads to, under what HB_MIRRORS and registries.conf say. */

import { describe, expect, test } from "bun:test";
import { parseReference } from "../image/reference.ts";
import { endpointsFor, type RegistryRules, shortNameHint } from "./mirrors.ts";
import { parseMirrors, parseRegistriesConf } from "./registries-conf.ts";

function rulesOf(conf: string, mirrors = ""): RegistryRules {
  const { tables, searched = [] } = parseRegistriesConf(conf, "registries.conf");
  return { mirrors: parseMirrors(mirrors), tables, searched };
}

/** The places in order, as `HOST/REPOSITORY`, `~` before a mirror, `!` after an insecure one. */
function places(name: string, rules: RegistryRules): string {
  return endpointsFor(parseReference(name), rules)
    .map(({ registry, repository, insecure, isMirror }) => {
      return `${isMirror ? "~" : ""}${registry}/${repository}${insecure ? "!" : ""}`;
    })
    .join(" ");
}

const digest = `sha256:${"a".repeat(64)}`;

describe("HB_MIRRORS", () => {
  test.each([
    ["", "alpine", "docker.io/library/alpine"],
    ["docker.io=m.test:5000", "alpine", "~m.test:5000/library/alpine docker.io/library/alpine"],
    ["docker.io=m.test/hub/", "u/x:1", "~m.test/hub/u/x docker.io/u/x"],
    ["docker.io=http://m.test", "u/x", "~m.test/u/x! docker.io/u/x"],
    ["docker.io=a.test, docker.io=b.test", "u/x", "~a.test/u/x ~b.test/u/x docker.io/u/x"],
    ["docker.io=m.test", "ghcr.io/u/x", "ghcr.io/u/x"],
    ["ghcr.io/u=m.test/v", "ghcr.io/u/x", "~m.test/v/x ghcr.io/u/x"],
    ["ghcr.io/u=m.test/v", "ghcr.io/user/x", "ghcr.io/user/x"],
    ["[::1]:5000=[::1]:6000", "[::1]:5000/x", "~[::1]:6000/x [::1]:5000/x"],
  ])("%j: %s is at %s", (mirrors, name, expected) => {
    expect(places(name, rulesOf("", mirrors))).toBe(expected);
  });

  test.each(["m.test", "docker.io=", "=m.test", "docker.io=ftp://m.test"])(
    "%j is refused",
    (text) => {
      expect(() => parseMirrors(text)).toThrow(`Cannot read HB_MIRRORS: "${text}" names no mirror`);
    },
  );

  test("a mirror that looks like a repository is refused, not looked for at Docker Hub", () => {
    const rules = rulesOf("", "docker.io=cache");
    expect(() => places("alpine", rules)).toThrow('"cache" of HB_MIRRORS as a registry');
  });
});

describe("registries.conf", () => {
  const conf = `
    [[registry]]
    prefix = "docker.io"
    location = "docker.io"
    [[registry.mirror]]
    location = "all.test"
    [[registry.mirror]]
    location = "digests.test/d"
    pull-from-mirror = "digest-only"
    [[registry.mirror]]
    location = "tags.test"
    insecure = true
    pull-from-mirror = "tag-only"

    [[registry]]
    prefix = "docker.io/library/evil"
    blocked = true

    [[registry]]
    prefix = "example.test/foo"
    location = "inside.test:5000/bar"
    insecure = true

    [[registry]]
    prefix = "*.corp.test"
    insecure = true

    [[registry]]
    location = "once.test"
    mirror-by-digest-only = true
    [[registry.mirror]]
    location = "m.test"
  `;

  test.each([
    ["alpine", "~all.test/library/alpine ~tags.test/library/alpine! docker.io/library/alpine"],
    [`u/x@${digest}`, "~all.test/u/x ~digests.test/d/u/x docker.io/u/x"],
    ["example.test/foo/app", "inside.test:5000/bar/app!"],
    ["example.test/foobar/app", "example.test/foobar/app"],
    ["a.b.corp.test/x/y", "a.b.corp.test/x/y!"],
    ["corp.test/x", "corp.test/x"],
    ["evilcorp.test/x", "evilcorp.test/x"],
    ["once.test/x", "once.test/x"],
    [`once.test/x@${digest}`, "~m.test/x once.test/x"],
  ])("%s is at %s", (name, expected) => {
    expect(places(name, rulesOf(conf))).toBe(expected);
  });

  test("the longest prefix decides, and what it blocks is not asked for, mirrors included", () => {
    const rules = rulesOf(conf, "docker.io=m.test");
    expect(() => places("evil:1", rules)).toThrow("Cannot pull evil:1: it is blocked");
    expect(places("evil2", rules)).toContain("docker.io/library/evil2");
  });

  test("HB_MIRRORS come before its mirrors", () => {
    expect(places("u/x", rulesOf(conf, "docker.io=mine.test"))).toStartWith("~mine.test/u/x ~all.");
  });

  test.each([
    ["a = [", "it is not TOML"],
    ['[registry]\nlocation = "x.test"', "write [[registry]]"],
    ["[[registry]]\ninsecure = true", "neither prefix nor location"],
    ['[[registry]]\nprefix = "*.x.test/y"', "has a *"],
    ['[[registry]]\nprefix = "x.*.test"', "has a *"],
    ['[[registry]]\nlocation = "https://x.test"', "must be HOST[:PORT][/PATH]"],
    ['[[registry]]\nlocation = "x.test"\nblocked = "yes"', "blocked is neither true nor false"],
    ['[[registry]]\nlocation = "x"\n[[registry.mirror]]\ninsecure = true', "no location"],
  ])("%j is refused with the file's name", (text, why) => {
    expect(() => parseRegistriesConf(text, "/etc/x.conf")).toThrow(/^Cannot read \/etc\/x\.conf: /);
    expect(() => parseRegistriesConf(text, "/etc/x.conf")).toThrow(why);
  });
});

describe("a short name that Docker Hub does not have", () => {
  const rules = rulesOf(`
    unqualified-search-registries = ["docker.io", "quay.test"]
  `);

  test.each([
    ["tool:2", "in full: quay.test/tool:2"],
    ["other/app", "in full: quay.test/other/app:latest"],
    ["ghcr.io/x/y", undefined],
  ])("%s: %s", (name, hint) => {
    const said = shortNameHint(parseReference(name), rules);
    if (hint === undefined) expect(said).toBeUndefined();
    else expect(said).toContain(hint);
  });
});
