import { beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bootId } from "../host/boot.ts";
import { settleLayer, unsettledLayers } from "./boot.ts";
import { layerPath, openStore, type StorePaths } from "./layout.ts";

const [here, earlier, settled, absent] = ["a", "b", "c", "d"].map((letter) => letter.repeat(64));
const names = [here, earlier, settled, absent].map(String);

let store: StorePaths;

function putLayer(name = "", boot?: string): string {
  const path = layerPath(store, name);
  mkdirSync(path, { recursive: true });
  if (boot !== undefined) symlinkSync(boot, `${path}/boot`);
  return path;
}

beforeEach(() => {
  store = openStore(mkdtempSync(join(tmpdir(), "hb-boot-")));
  putLayer(here, bootId());
  putLayer(earlier, "an earlier one");
  putLayer(settled);
});

describe("unsettledLayers()", () => {
  test("names those of an earlier boot that nobody has looked at", () => {
    expect(unsettledLayers(store, names)).toEqual([String(earlier)]);
  });

  test("looking at one of this boot tells nothing of a later one", () => {
    for (const name of names) settleLayer(store, name);
    expect(unsettledLayers(store, names)).toEqual([]);
    const left = names.slice(0, 3).filter((name) => {
      return readdirSync(layerPath(store, name)).includes("boot");
    });
    expect(left).toEqual([String(here)]);
  });
});
