/** hb save and hb load: what goes out and comes in again, and archives that lie. */

import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { type Entry, tar } from "../setup/tar.ts";
import { Box, registry, testWith } from "./harness.ts";

const box = new Box();
const image = `${registry}/archived:1`;
const archive = box.path("image.tar");
const config = { Env: ["PATH=/bin"], Cmd: ["cat", "/hello"] };
/** A second store, as of another machine. */
const there = { HB_ROOT: box.path("there") };

const odd: Entry[] = [
  { name: "hello", data: "hello\n" },
  { name: "./d//", mode: 0o700, uid: 1000, gid: 2000 },
  { name: "d/file", data: "x".repeat(5000), mtime: "1700000000.5", uid: 70000, gid: 70000 },
  { name: "d/link", type: "1", link: "d/file" },
  { name: "lib", link: "d" },
  { name: "lib/through", data: "the link" },
  { name: "etc/.wh.passwd", data: "" },
  { name: "tmp/.wh..wh..opq", data: "" },
  { name: "null", type: "3", device: [1, 3] },
  { name: "fifo", type: "6" },
  { name: "noted", data: "y", xattrs: { "user.note": "kept" }, pax: { comment: "by nobody" } },
];

function digestOf(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("hb save", () => {
  test("writes layers as the very tars they came as, whatever was in them", async () => {
    await pushImage(registry, "archived:1", [busyboxLayer(), layer(odd)], { config });
    await box.hb(["pull", "-q", image]);
    expect(await box.hb(["save", "-o", archive, image])).toMatchObject({ status: 0, stderr: "" });
    const folder = box.path("unpacked");
    await box.command(["mkdir", folder]);
    await box.command(["tar", "xf", archive, "-C", folder]);
    const [{ Layers }] = JSON.parse(readFileSync(`${folder}/manifest.json`, "utf8"));
    expect(readFileSync(`${folder}/${Layers[1]}`)).toEqual(Buffer.from(tar(odd)));
    for (const name of readdirSync(`${folder}/blobs/sha256`)) {
      expect(digestOf(readFileSync(`${folder}/blobs/sha256/${name}`))).toBe(name);
    }
  });

  test("writes the same bytes to a pipe, and nothing to a terminal", async () => {
    const script = `"$0" save "$1" | cmp - "$2" && echo same`;
    const hb = process.env.HB_TEST_BIN ?? "hb";
    const { stdout } = await box.command(["sh", "-c", script, hb, image, archive]);
    expect(stdout).toBe("same\n");
    const terminal = box.onTerminal([hb, "save", image], { cols: 80, rows: 24 });
    const { status, text } = await terminal.end();
    expect(status).toBe(1);
    expect(text).toContain("hb save -o FILE.tar");
  });

  test("says so where a file of the layer has changed since", async () => {
    const changed = { HB_ROOT: box.path("changed") };
    await box.hb(["load", "-q", "-i", archive], { env: changed });
    const diff = `${box.path("changed")}/layers/${digestOf(tar(odd))}/diff`;
    writeFileSync(`${diff}/hello`, "jello\n");
    const said = await box.failure(1, ["save", "-o", box.path("x.tar"), image], { env: changed });
    expect(said).toContain("its files have changed");
    await box.hb(["clean", "--all"], { env: changed });
  });

  test("writes a tar that has one name twice, and one after another pull", async () => {
    const twice = [
      { name: "f", data: "one" },
      { name: "f", data: "two" },
    ];
    const [image, output] = [`${registry}/twice:1`, box.path("twice.tar")];
    await pushImage(registry, "twice:1", [busyboxLayer(), layer(twice)], { config });
    await box.hb(["pull", "-q", image]);
    const recipe = box.path("store", "layers", digestOf(tar(twice)), "recipe");
    rmSync(recipe); // as an hb without them would leave it
    const said = await box.failure(1, ["save", "-o", output, image]);
    expect(said).toMatch(/how its tar was is not known; pull its image again/);
    expect(readdirSync(box.folder).filter((name) => name.startsWith("twice"))).toEqual([]);
    expect((await box.hb(["pull", "-q", image])).status).toBe(0);
    expect(await box.hb(["save", "-o", output, image])).toMatchObject({ status: 0 });
    expect(await box.output(image, "cat", "/f")).toBe("two");
    rmSync(output);
  });

  test("refuses a tar that replaces more than a layer keeps, and leaves no file", async () => {
    const [image, output] = [`${registry}/again:1`, box.path("again.tar")];
    const again = layer(Array.from({ length: 1002 }, (_, n) => ({ name: "f", data: `${n}` })));
    await pushImage(registry, "again:1", [busyboxLayer(), again], { config });
    await box.hb(["pull", "-q", image]);
    expect(await box.output(image, "cat", "/f")).toBe("1001");
    expect(await box.failure(1, ["save", "-o", output, image])).toContain("replaces more");
    expect(readdirSync(box.folder).filter((name) => name.startsWith("again"))).toEqual([]);
  });
});

describe("hb load", () => {
  test("brings back the image with its name and id, and saves it the same", async () => {
    const loaded = await box.hb(["load", "-q", "-i", archive], { env: there });
    expect(loaded).toMatchObject({ status: 0, stdout: `Loaded image: ${image}\n` });
    const ids = [
      await box.hb(["images", "-q", image]),
      await box.hb(["images", "-q"], { env: there }),
    ];
    expect(ids[1]?.stdout).toBe(ids[0]?.stdout ?? "");
    const again = box.path("again.tar");
    await box.hb(["save", "-o", again, image], { env: there });
    expect(readFileSync(again).equals(readFileSync(archive))).toBe(true);
    const { stdout } = await box.hb(["run", "--pull", "never", image], { env: there });
    expect(stdout).toBe("hello\n");
    await box.hb(["clean", "--all"], { env: there });
  });

  test.each([["gzip"], ["zstd"]])("reads %s from standard input", async (compressor) => {
    const script = `${compressor} -c "$1" | "$0" load -q`;
    const argv = ["sh", "-c", script, process.env.HB_TEST_BIN ?? "hb", archive];
    const { stdout } = await box.command(argv, { env: there });
    expect(stdout).toBe(`Loaded image: ${image}\n`);
    await box.hb(["clean", "--all"], { env: there });
  });

  test("takes docker's older archives: links to layers, no manifests", async () => {
    const bytes = tar([{ name: "hello", data: "older" }]);
    const about = { architecture: process.arch === "x64" ? "amd64" : "arm64", os: "linux" };
    const diffIDs = [`sha256:${digestOf(bytes)}`, busyboxLayer().diffID];
    const rootfs = { type: "layers", diff_ids: diffIDs };
    const list = [{ Config: "c.json", RepoTags: ["older:1"], Layers: ["b/layer.tar", "g.tar.gz"] }];
    const old = box.path("old.tar");
    writeFileSync(
      old,
      tar([
        { name: "a/layer.tar", data: bytes },
        { name: "b/layer.tar", link: "../a/layer.tar" },
        { name: "g.tar.gz", data: busyboxLayer().blob },
        { name: "c.json", data: JSON.stringify({ ...about, config, rootfs }) },
        { name: "manifest.json", data: JSON.stringify(list) },
      ]),
    );
    const { stdout, stderr } = await box.hb(["load", "-q", "-i", old]);
    expect({ stdout, stderr }).toEqual({ stdout: "Loaded image: older:1\n", stderr: "" });
    expect(await box.output("--pull", "never", "older:1")).toBe("older");
  });

  const members = (): Map<string, Buffer> => {
    const names = Bun.spawnSync(["tar", "tf", archive]).stdout.toString().trim().split("\n");
    const files = names.filter((name) => !name.endsWith("/"));
    const read = (name: string) => Bun.spawnSync(["tar", "xOf", archive, name]).stdout;
    return new Map(files.map((name) => [name, read(name)]));
  };
  const lies: [string, (files: Map<string, Buffer>) => void, RegExp][] = [
    ["with other bytes in a layer", (files) => flip(files, digestOf(tar(odd))), /something else/],
    ["with a config of another size", (files) => grow(files), /something else|changed|has no/],
    [
      "whose index is no index",
      (files) => files.set("index.json", Buffer.from('{"manifests":[{"digest":"../../x"}]}')),
      /manifests\[0\]/,
    ],
  ];
  const flip = (files: Map<string, Buffer>, hex: string) => {
    const bytes = files.get(`blobs/sha256/${hex}`);
    if (bytes !== undefined) bytes[600] = 0x21;
  };
  const grow = (files: Map<string, Buffer>) => {
    for (const [name, bytes] of files) {
      if (bytes.includes('"diff_ids"')) files.set(name, Buffer.concat([bytes, Buffer.from(" ")]));
    }
  };
  test.each(lies)("refuses an archive %s, and keeps nothing of it", async (_, lie, why) => {
    const files = members();
    lie(files);
    const file = box.path("lie.tar");
    writeFileSync(file, tar([...files].map(([name, data]) => ({ name, data }))));
    expect(await box.failure(1, ["load", "-q", "-i", file], { env: there })).toMatch(why);
    expect((await box.hb(["images", "-q"], { env: there })).stdout).toBe("");
    await box.hb(["clean", "--all"], { env: there });
  });

  test("refuses what is cut off, no tar, or no archive of images, in one line", async () => {
    const part = readFileSync(archive).subarray(0, 50_000);
    expect(await box.failure(1, ["load"], { stdin: new Blob([part]) })).toContain("ends too early");
    expect(await box.failure(1, ["load"], { stdin: "x".repeat(600) })).toContain("tar header");
    const other = tar([{ name: "etc/passwd", data: "root" }]);
    const said = await box.failure(1, ["load"], { stdin: new Blob([other]) });
    expect(said).toContain("hb import");
  });

  test("never follows a name out: members are looked up, not unpacked", async () => {
    const link = { name: "index.json", link: "../../../../../../etc/passwd" };
    const said = await box.failure(1, ["load"], { stdin: new Blob([tar([link])]) });
    expect(said).toContain("neither index.json nor manifest.json");
  });
});

describe("skopeo", () => {
  for (const format of ["docker-archive", "oci-archive"]) {
    testWith("skopeo")(
      `skopeo reads hb's archive as ${format}, and writes one hb loads`,
      async () => {
        const back = `${format}:${box.path(`${format}.tar`)}:${image}`;
        const policy = ["--insecure-policy", "--tmpdir", box.path("tmp")];
        const from = `${format}:${archive}${format === "oci-archive" ? "" : `:${image}`}`;
        const copied = await box.command(["skopeo", ...policy, "copy", "-q", from, back], {
          env: { HOME: box.path("skopeo") }, // where it keeps what it has seen
        });
        expect(copied).toMatchObject({ status: 0 });
        const { stdout } = await box.hb(["load", "-q", "-i", box.path(`${format}.tar`)], {
          env: there,
        });
        expect(stdout).toBe(`Loaded image: ${image}\n`);
        const { stdout: hello } = await box.hb(["run", "--pull", "never", image], { env: there });
        expect(hello).toBe("hello\n");
        await box.hb(["clean", "--all"], { env: there });
      },
    );
  }
});

box.leavesNothingBehind();
