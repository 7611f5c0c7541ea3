import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestHex, digestOf } from "../image/digest.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import { writeImage } from "./images.ts";
import { createStore, layerPath, openStore, within } from "./layout.ts";
import { storeSpace } from "./space.ts";

const store = openStore(mkdtempSync(join(tmpdir(), "hb-space-")));
createStore(store, process.geteuid?.() ?? 0);
const platform = { os: "linux", architecture: "amd64" };

function putLayer(content: string, bytes: number): string {
  const name = digestHex(digestOf(content));
  mkdirSync(layerPath(store, name));
  writeFileSync(within(layerPath(store, name), "size"), `${bytes}\n`);
  return name;
}

function putImage(text: string, content: string, layers: readonly string[]): void {
  const reference = parseReference(text);
  writeImage(store, reference, platform, {
    ...{ reference: formatReference(reference), platform, layers },
    ...{ manifest: digestOf(content), config: digestOf(content), sizeBytes: 0 },
    pulledAt: "2026-01-02T03:04:05.000Z",
  });
}

describe("storeSpace()", () => {
  const base = putLayer("base", 1000);
  const own = putLayer("own", 100);
  const other = putLayer("other", 10);
  const left = putLayer("left", 1);
  putImage("a:1", "a", [base, own]);
  putImage("a:2", "a", [base, own]);
  putImage("b:1", "b", [base, other]);

  test("counts an image and a layer once, whatever they are called", () => {
    const { images, unnamed, each } = storeSpace(store, { layers: new Set(), images: new Map() });
    expect(images).toEqual({ total: 2, active: 0, bytes: 1110, reclaimableBytes: 1110 });
    expect(unnamed).toEqual({ total: 1, active: 0, bytes: 1, reclaimableBytes: 1 });
    expect(each.map(({ bytes, sharedBytes }) => [bytes, sharedBytes])).toEqual([
      [1100, 1000],
      [1010, 1000],
    ]);
  });

  test("does not promise what containers stand on", () => {
    const images = new Map([[String(digestOf("b")), 2]]);
    const space = storeSpace(store, { layers: new Set([base, other, left]), images });
    expect(space.images).toEqual({ total: 2, active: 1, bytes: 1110, reclaimableBytes: 100 });
    expect(space.unnamed).toEqual({ total: 1, active: 1, bytes: 1, reclaimableBytes: 0 });
  });
});
