/** Which files count, on a machine made of temporary folders. */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { readRegistryRules } from "./registries-conf.ts";

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true });
});

/** The prefixes read on a machine with these files, each of which has one table. */
function prefixes(files: readonly string[], env: Record<string, string> = {}): string[] {
  const root = mkdtempSync(join(tmpdir(), "registries-"));
  roots.push(root);
  for (const path of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    const name = path.replaceAll("/", ".").replaceAll("_", "-").toLowerCase();
    writeFileSync(join(root, path), `[[registry]]\nlocation = "${name}.test"\n`);
  }
  const inside = Object.entries(env).map(([name, path]) => [name, join(root, path)]);
  const home = { HOME: join(root, "home") };
  const { tables } = readRegistryRules({ root, env: { ...home, ...Object.fromEntries(inside) } });
  return tables.map(({ file }) => file.slice(root.length + 1));
}

const system = "etc/containers/registries.conf";
const user = "home/.config/containers/registries.conf";

describe("readRegistryRules()", () => {
  test("a machine without any has no rules", () => {
    expect(prefixes([])).toEqual([]);
  });

  test("the user's file is read instead of the machine's", () => {
    expect(prefixes([system])).toEqual([system]);
    expect(prefixes([system, user])).toEqual([user]);
  });

  test("CONTAINERS_REGISTRIES_CONF is read instead of both", () => {
    const env = { CONTAINERS_REGISTRIES_CONF: "my.conf" };
    expect(prefixes([system, user, "my.conf"], env)).toEqual(["my.conf"]);
  });

  test("drop-ins of the machine and the user add to it, in the order of their names", () => {
    const dropIns = [`${system}.d/10.conf`, `${system}.d/20.conf`, `${user}.d/05.conf`];
    expect(prefixes([user, ...dropIns.toReversed(), `${system}.d/ignored.txt`])).toEqual([
      user,
      ...dropIns,
    ]);
  });
});
