/** Indexes and manifests: shapes, limits, ambiguities, and the choice of a platform. */

import { describe, expect, test } from "bun:test";
import { type Index, layersMax, type Manifest, parseDocument, selectManifest } from "./manifest.ts";
import { dockerManifest, ociConfig, ociIndex, ociManifest } from "./media-type.ts";
import { formatPlatform, hostPlatform, parsePlatform } from "./platform.ts";

const digest = `sha256:${"a".repeat(64)}`;
const config = { mediaType: ociConfig, digest, size: 10 };
const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: 20 };
const manifest = { schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] };

function parse(value: unknown, mediaType = ociManifest): Index | Manifest {
  return parseDocument(Buffer.from(JSON.stringify(value)), mediaType);
}

function index(...platforms: readonly (string | undefined)[]): Index {
  const manifests = platforms.map((text, i) => {
    const [os, architecture, variant] = text?.split("/") ?? [];
    const platform = text === undefined ? {} : { platform: { os, architecture, variant } };
    return { mediaType: ociManifest, digest, size: i, ...platform };
  });
  return parse({ schemaVersion: 2, mediaType: ociIndex, manifests }, ociIndex) as Index;
}

describe("parseDocument()", () => {
  test("reads a manifest", () => {
    expect(parse(manifest)).toMatchObject({ kind: "manifest", config, layers: [layer] });
  });

  test("takes the Content-Type when the document does not say", () => {
    const { mediaType: _, ...bare } = manifest;
    expect(parse(bare, `${dockerManifest}; charset=utf-8`).mediaType).toBe(dockerManifest);
  });

  test("goes by its members when nobody says", () => {
    const { mediaType: _, ...bare } = manifest;
    expect(parse(bare, "application/json").kind).toBe("manifest");
    expect(parse({ schemaVersion: 2, manifests: [] }, "").kind).toBe("index");
  });

  test("reads null layers as none", () => {
    expect(parse({ ...manifest, layers: null })).toMatchObject({ layers: [] });
  });

  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    [
      "both manifests and layers",
      { ...manifest, manifests: [] },
      /an index and a manifest at once/,
    ],
    ["another type than served", { ...manifest, mediaType: ociIndex }, /but is served as/],
    ["an index's type and layers", { layers: [], config }, /its members are not those of/],
    ["schema 1", { schemaVersion: 1, fsLayers: [] }, /docker's schema 1/],
    ["schemaVersion 3", { ...manifest, schemaVersion: 3 }, /schemaVersion 3 is not 2/],
    ["an array", [], /expected an object, got an array/],
    [
      "no config",
      { schemaVersion: 2, layers: [] },
      /manifest.config: expected an object, got nothing/,
    ],
    [
      "a path as a digest",
      { ...manifest, layers: [{ ...layer, digest: "sha256:../../x" }] },
      /manifest.layers\[0\].digest: expected 64 hex digits/,
    ],
    ["a negative size", { ...manifest, layers: [{ ...layer, size: -1 }] }, /an integer from 0/],
    ["a size beyond 2^53", { ...manifest, layers: [{ ...layer, size: 2 ** 53 }] }, /an integer/],
    ["a size as text", { ...manifest, layers: [{ ...layer, size: "20" }] }, /got "20"/],
    ["too many layers", { ...manifest, layers: Array(layersMax + 1).fill(layer) }, /can stack/],
    [
      "an artifact's config",
      { ...manifest, config: { ...config, mediaType: "application/vnd.cncf.helm.config.v1+json" } },
      /Not a container image/,
    ],
    [
      "an unknown kind of layer",
      { ...manifest, layers: [{ ...layer, mediaType: "application/x-7z" }] },
      /Cannot unpack layers of type "application\/x-7z"/,
    ],
  ];
  for (const [what, value, why] of refused) {
    test(`refuses ${what}`, () => {
      const type = what.startsWith("an index's") ? ociIndex : ociManifest;
      expect(() => parse(value, type)).toThrow(why);
    });
  }

  test("refuses what is larger than the limit before parsing it", () => {
    expect(() => parseDocument(new Uint8Array(5 * 1024 * 1024), ociManifest)).toThrow("larger");
  });

  test("refuses deep nesting without falling over", () => {
    const deep = `${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}`;
    expect(() => parseDocument(Buffer.from(deep), ociManifest)).toThrow("Cannot read manifest");
  });
});

describe("selectManifest()", () => {
  const choose = (list: Index, want: string, level?: 1 | 2 | 3 | 4): string => {
    const platform = parsePlatform(want, hostPlatform("x64"));
    const entry = selectManifest(list, platform, level === undefined ? {} : { amd64Level: level });
    return entry.platform === undefined ? "none" : formatPlatform(entry.platform);
  };

  test("takes the platform asked for", () => {
    expect(choose(index("linux/arm64/v8", "linux/amd64"), "linux/amd64")).toBe("linux/amd64");
    expect(choose(index("linux/amd64", "linux/arm64/v8"), "linux/arm64")).toBe("linux/arm64");
  });

  test("falls back to lower arm variants, the highest first", () => {
    expect(choose(index("linux/arm/v5", "linux/arm/v6"), "linux/arm/v7")).toBe("linux/arm/v6");
  });

  test("takes the best amd64 level the CPU can run", () => {
    const list = index("linux/amd64", "linux/amd64/v2", "linux/amd64/v3", "linux/amd64/v4");
    expect(choose(list, "linux/amd64")).toBe("linux/amd64");
    expect(choose(list, "linux/amd64", 3)).toBe("linux/amd64/v3");
    expect(choose(list, "linux/amd64/v2", 4)).toBe("linux/amd64/v2");
  });

  test("takes the first of equals", () => {
    expect(selectManifest(index("linux/amd64", "linux/amd64"), hostPlatform("x64")).size).toBe(0);
  });

  test("passes over attestations", () => {
    const list = index("unknown/unknown", undefined);
    expect(selectManifest(list, hostPlatform("x64")).size).toBe(1);
  });

  test("takes an only image without a platform, and never one of several", () => {
    expect(choose(index(undefined), "linux/amd64")).toBe("none");
    expect(() => choose(index(undefined, undefined), "linux/amd64")).toThrow("No image for");
  });

  test("goes into a nested index when no manifest fits", () => {
    const nested = { mediaType: ociIndex, digest, size: 7 };
    const list = parse({ schemaVersion: 2, manifests: [nested] }, ociIndex) as Index;
    expect(selectManifest(list, hostPlatform("x64")).size).toBe(7);
  });

  test("names what there is when nothing fits", () => {
    const list = index("linux/arm64", "linux/s390x", "windows/amd64", "unknown/unknown");
    expect(() => choose(list, "linux/amd64")).toThrow(
      "No image for linux/amd64; available: linux/arm64, linux/s390x, windows/amd64",
    );
  });
});
