/** Image configs: shapes, what null means, diffIDs and chainIDs. */

import { describe, expect, test } from "bun:test";
import { chainIDs, type ImageConfig, pairLayers, parseConfig } from "./config.ts";
import { digestOf, parseDigest } from "./digest.ts";
import { type Manifest, parseDocument } from "./manifest.ts";
import { ociConfig, ociManifest } from "./media-type.ts";

const first = parseDigest(`sha256:${"a".repeat(64)}`);
const second = parseDigest(`sha256:${"b".repeat(64)}`);

function parse(value: unknown): ImageConfig {
  return parseConfig(Buffer.from(JSON.stringify(value)));
}

describe("parseConfig()", () => {
  test("reads null, as docker writes it, as absent", () => {
    const names = ["User", "Env", "Entrypoint", "Cmd", "Volumes", "ExposedPorts", "Labels"];
    const config = Object.fromEntries([...names, "Healthcheck", "OnBuild"].map((n) => [n, null]));
    expect(parse({ architecture: "amd64", os: "linux", config, rootfs: null }).config).toEqual({
      User: "",
      Env: [],
      Entrypoint: [],
      Cmd: [],
      WorkingDir: "",
      Volumes: [],
      ExposedPorts: [],
      Labels: {},
      Shell: [],
    });
  });

  test("keeps docker's additions", () => {
    const config = {
      StopSignal: "SIGQUIT",
      StopTimeout: 5,
      Healthcheck: { Test: ["CMD", "true"], Interval: 30_000_000_000, Retries: 3 },
      Volumes: { "/data": {} },
      ExposedPorts: { "80/tcp": {} },
      Cmd: "lone",
    };
    expect(parse({ config }).config).toMatchObject({
      ...config,
      Volumes: ["/data"],
      ExposedPorts: ["80/tcp"],
      Cmd: ["lone"],
    });
  });

  test("keeps a label named __proto__ a label", () => {
    const text = '{"config":{"Labels":{"__proto__":"x"}}}';
    const { Labels } = parseConfig(Buffer.from(text)).config;
    expect(Object.keys(Labels)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(Labels)).toBe(Object.prototype);
  });

  test("normalises the platform", () => {
    expect(parse({ os: "linux", architecture: "arm64", variant: "v8" }).platform).toEqual({
      os: "linux",
      architecture: "arm64",
    });
  });

  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    ["Env that is no list", { config: { Env: {} } }, /config.config.Env: expected an array/],
    [
      "Env of numbers",
      { config: { Env: [1] } },
      /config.config.Env\[0\]: expected a string, got 1/,
    ],
    ["a NUL in Cmd", { config: { Cmd: ["a\0b"] } }, /config.config.Cmd\[0\]: it contains a NUL/],
    ["Volumes that are a list", { config: { Volumes: ["/x"] } }, /Volumes: expected an object/],
    ["labels of objects", { config: { Labels: { a: {} } } }, /Labels.a: expected a string/],
    ["a diffID that is a path", { rootfs: { diff_ids: ["../x"] } }, /diff_ids\[0\]: expected the/],
    ["another rootfs type", { rootfs: { type: "zip" } }, /rootfs.type: expected "layers"/],
    ["a list", [], /config: expected an object, got an array/],
  ];
  for (const [what, value, why] of refused) {
    test(`refuses ${what}`, () => {
      expect(() => parse(value)).toThrow(why);
    });
  }
});

describe("pairLayers()", () => {
  const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: second, size: 1 };
  const manifest = parseDocument(
    Buffer.from(
      JSON.stringify({ config: { mediaType: ociConfig, digest: first, size: 1 }, layers: [layer] }),
    ),
    ociManifest,
  ) as Manifest;

  test("gives each layer its diffID", () => {
    const pairs = pairLayers(manifest, parse({ rootfs: { diff_ids: [first] } }));
    expect(pairs).toEqual([{ descriptor: layer, diffID: first }]);
  });

  test("refuses different counts", () => {
    const config = parse({ rootfs: { diff_ids: [first, second] } });
    expect(() => pairLayers(manifest, config)).toThrow("1 layers but 2 diffIDs");
  });
});

test("chainIDs() hash each layer with all below", () => {
  expect(chainIDs([])).toEqual([]);
  expect(chainIDs([first, second])).toEqual([first, digestOf(`${first} ${second}`)]);
});
