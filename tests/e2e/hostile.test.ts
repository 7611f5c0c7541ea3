/** Images made to harm: nothing of the host is read or written, and the failure is one line. */

import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { pushBlob, pushDocument } from "../setup/registry.ts";
import type { Entry } from "../setup/tar.ts";
import { Box, registry } from "./harness.ts";

const box = new Box();
const victim = box.path("victim");
let count = 0;

beforeAll(() => {
  mkdirSync(victim);
  writeFileSync(`${victim}/file`, "untouched");
});

function untouched(): void {
  expect(readdirSync(victim)).toEqual(["file"]);
  expect(readFileSync(`${victim}/file`, "utf8")).toBe("untouched");
}

/** Pulls an image whose topmost layer has these entries; its result may be either. */
async function pull(...layers: readonly Entry[][]) {
  const name = `hostile-${++count}:1`;
  const all = [busyboxLayer(), ...layers.map((entries) => layer(entries))];
  await pushImage(registry, name, all, { config: { Env: ["PATH=/bin"] } });
  const result = await box.hb(["pull", "-q", `${registry}/${name}`]);
  if (result.status !== 0) expect(result.stderr).toMatch(/^hb: [^\n]+\n$/);
  return { ...result, image: `${registry}/${name}` };
}

describe("names that point outside", () => {
  test.each(["../../../../victim/x", "a/../../../../../x", "..", "./../x", "/../../x"])(
    "%s does not escape the layer",
    async (name) => {
      await pull([{ name, data: "escaped" }]);
      untouched();
      expect(readdirSync(box.folder)).not.toContain("x");
      expect(readdirSync(box.path("store"))).not.toContain("x");
    },
  );

  test("an absolute name is inside (H-7)", async () => {
    const { status, image } = await pull([{ name: `${victim}/file`, data: "inside" }]);
    expect(status).toBe(0);
    expect(await box.output(image, "cat", `${victim}/file`)).toBe("inside");
    untouched();
  });

  test("a symbolic link put in the way leads nowhere outside", async () => {
    const link = { name: "way", link: victim };
    const up = { name: "up", link: "../../../../../../../../../.." };
    await pull([link, { name: "way/file", data: "escaped" }, { name: "way/more", data: "x" }]);
    await pull([up, { name: `up${victim}/file`, data: "escaped" }]);
    await pull([link], [{ name: "way/file", data: "escaped" }]);
    untouched();
  });

  test("a hard link to a host file links nothing of the host", async () => {
    const entries: Entry[] = [
      { name: "a", type: "1", link: `${victim}/file` },
      { name: "way", link: victim },
      { name: "b", type: "1", link: "way/file" },
      { name: "c", type: "1", link: "../../../../../../etc/passwd" },
    ];
    const { status, image } = await pull(entries);
    if (status === 0) {
      const run = await box.hb(["run", image, "cat", "/a", "/b", "/c"]);
      expect(run.stdout).not.toContain("untouched");
    }
    untouched();
  });

  test("a whiteout named to delete outside deletes nothing", async () => {
    await pull([{ name: "../../../../../victim/.wh.file", data: "" }]);
    await pull([
      { name: "way", link: victim },
      { name: "way/.wh.file", data: "" },
    ]);
    await pull([
      { name: ".wh...", data: "" },
      { name: ".wh.", data: "" },
      { name: ".wh..", data: "" },
    ]);
    untouched();
  });
});

describe("a layer's overlay marks", () => {
  test("attributes that redirect overlayfs are dropped", async () => {
    const redirect = { "user.overlay.redirect": victim, "trusted.overlay.redirect": victim };
    const { status, image } = await pull([{ name: "d/", xattrs: redirect }]);
    if (status === 0) expect((await box.hb(["run", image, "ls", "/d"])).stdout).toBe("");
    untouched();
  });
});

describe("documents", () => {
  test.each([
    "sha256:../../../../victim",
    "sha256:/etc",
    "sha256:abc",
    "md5:d41d8cd98f00b204e9800998ecf8427e",
  ])("a layer digest %s is refused (H-0)", async (digest) => {
    const name = `digest-${++count}`;
    const manifest = await lyingManifest(name, digest);
    // A registry checks manifests at push; the lie sits in an index that it does not look into.
    expect(manifest.status).not.toBe(0);
    expect(manifest.stderr).toMatch(/^hb: [^\n]+\n$/);
    untouched();
  });

  test("a config whose diffID is not the layer's is refused (H-6)", async () => {
    const name = `diffid-${++count}:1`;
    const honest = layer([{ name: "a", data: "a" }]);
    const lie = { ...honest, diffID: `sha256:${"1".repeat(64)}` };
    await pushImage(registry, name, [lie]);
    const message = await box.failure(1, ["pull", "-q", `${registry}/${name}`]);
    expect(message).toMatch(/diffID/i);
    expect(readdirSync(box.path("store", "tmp"))).toEqual([]);
  });

  test("a layer that is cut short or no tar is refused", async () => {
    const good = layer([{ name: "a", data: new Uint8Array(5000) }], "none");
    for (const blob of [good.blob.slice(0, 700), new Uint8Array(4096).fill(7)]) {
      const name = `cut-${++count}:1`;
      const diffID = `sha256:${new Bun.CryptoHasher("sha256").update(blob).digest("hex")}`;
      await pushImage(registry, name, [{ ...good, blob, diffID }]);
      await box.failure(1, ["pull", "-q", `${registry}/${name}`]);
      expect(readdirSync(box.path("store", "tmp"))).toEqual([]);
    }
  });
});

/** `hb pull` of an index whose only manifest is named by a digest that is none. */
async function lyingManifest(repository: string, digest: string) {
  const config = await pushBlob(registry, repository, "x/y", new TextEncoder().encode("{}"));
  const type = "application/vnd.oci.image.index.v1+json";
  const platform = { os: "linux", architecture: "amd64" };
  const manifests = [
    { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 5, platform },
  ];
  const index = { schemaVersion: 2, mediaType: type, manifests };
  try {
    await pushDocument(registry, repository, "1", type, index);
  } catch (error) {
    // This registry refuses it at once; then the fault registry has the case (faults.test.ts).
    if (!(error instanceof Error) || config.size !== 2) throw error;
    return { status: 1, stderr: "hb: refused at push\n" };
  }
  return box.hb(["pull", "-q", `${registry}/${repository}:1`]);
}

box.leavesNothingBehind();
