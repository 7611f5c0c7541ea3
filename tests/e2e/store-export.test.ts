/** hb store export and import: images by way of a directory that a CI cache keeps. */

import { beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import type { Entry } from "../setup/tar.ts";
import { asTestUser, ensureTestUser, testUser } from "../setup/user.ts";
import { Box, hbBinary, registry, rootTest } from "./harness.ts";

const box = new Box();
const one = `${registry}/exported:1`;
const two = `${registry}/exported:2`;
const cache = box.path("cache");
/** A second store, as of another machine. */
const elsewhere = box.path("elsewhere");
const there = { HB_ROOT: elsewhere };

const odd: Entry[] = [
  { name: "hello", data: "hello\n" },
  { name: "d/file", data: "x".repeat(5000), mtime: "1700000000.5", uid: 7000, gid: 7000 },
  { name: "d/link", type: "1", link: "d/file" },
  { name: "bin/busybox-too", type: "1", link: "bin/busybox" },
  { name: "etc/.wh.passwd", data: "" },
  { name: "noted", data: "y", xattrs: { "user.note": "kept" } },
];

/** Every file of the directory, and when it was written. */
function listing(directory: string): Map<string, number> {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const files = names.map((name) => [name, lstatSync(`${directory}/${name}`)] as const);
  return new Map(files.filter(([, stat]) => stat.isFile()).map(([n, stat]) => [n, stat.mtimeMs]));
}

async function forgetElsewhere(): Promise<void> {
  await box.hb(["clean", "--all"], { env: there });
}

/** The largest file: a layer, not a document. */
function largest(directory: string): string {
  const files = [...listing(directory).keys()].map((name) => `${directory}/${name}`);
  return files.sort((a, b) => statSync(b).size - statSync(a).size)[0] ?? "";
}

beforeAll(async () => {
  const config = { Env: ["PATH=/bin"], Cmd: ["cat", "/hello"] };
  const shared = busyboxLayer();
  await pushImage(registry, "exported:1", [shared, layer(odd)], { config });
  const noise = [{ name: "second", data: crypto.getRandomValues(new Uint8Array(60_000)) }];
  await pushImage(registry, "exported:2", [shared, layer(noise, "zstd")], { config });
  await box.hb(["pull", "-q", one, two]);
});

describe("hb store export and import", () => {
  test("bring images into an empty store without their registry", async () => {
    const exported = await box.hb(["store", "export", "-q", cache]);
    expect(exported).toMatchObject({ status: 0, stderr: "" });
    const { stdout: digests } = await box.hb(["pull", "-q", one, two]);
    const [first, second] = digests.trim().split("\n");
    expect(exported.stdout).toBe(`${one} ${first}\n${two} ${second}\n`);
    const imported = await box.hb(["store", "import", "-q", cache], { env: there });
    expect(imported).toEqual({ ...exported, stderr: "" });
    const listed = async (env = {}) => {
      const { stdout } = await box.hb(["images", "--digests", "--no-trunc"], { env });
      return stdout;
    };
    expect(await listed(there)).toBe(await listed());
    expect(await box.hb(["check"], { env: there })).toMatchObject({ status: 0 });
    const argv = [
      "run",
      "--pull",
      "never",
      one,
      "sh",
      "-c",
      "cat hello; stat -c %u d/link; test -e etc/passwd || echo gone",
    ];
    const { stdout } = await box.hb(argv, { env: there });
    expect(stdout).toBe("hello\n7000\ngone\n");
  });

  test("are plain files of the caller, named by digests, that need no writing again", async () => {
    const before = listing(cache);
    for (const name of before.keys()) {
      const stat = statSync(`${cache}/${name}`);
      expect(stat.uid).toBe(process.getuid?.() ?? -1);
      if (name === "hb-store.json") continue;
      const hash = new Bun.CryptoHasher("sha256").update(readFileSync(`${cache}/${name}`));
      expect(name).toBe(`blobs/sha256/${hash.digest("hex")}`);
    }
    await box.hb(["store", "export", "-q", cache]);
    const after = listing(cache);
    for (const times of [before, after]) times.delete("hb-store.json"); // the list, always new
    expect(after).toEqual(before);
  });

  test("read nothing that is there already", async () => {
    const file = largest(cache);
    chmodSync(file, 0);
    renameSync(file, `${file}.away`);
    const { status, stderr } = await box.hb(["store", "import", cache], { env: there });
    renameSync(`${file}.away`, file);
    chmodSync(file, 0o644);
    expect(status).toBe(0);
    expect(stderr.match(/Already exists/g)).toHaveLength(4);
    await forgetElsewhere();
  });

  test("can be told which images; the directory has no others then", async () => {
    await box.hb(["store", "import", "-q", cache, one], { env: there });
    const { stdout } = await box.hb(["images", "--format", "{{.Tag}}"], { env: there });
    expect(stdout).toBe("1\n");
    await forgetElsewhere();
    const bytes = statSync(largest(cache)).size;
    const before = listing(cache).size;
    writeFileSync(`${cache}/blobs/sha256/README`, "of somebody else");
    writeFileSync(`${cache}/tmp/${crypto.randomUUID()}`, "of a killed export");
    await box.hb(["store", "export", "-q", cache, one]);
    // The other image's manifest, config and second layer.
    expect(listing(cache).size).toBe(before - 3 + 1);
    expect(readdirSync(`${cache}/tmp`)).toEqual([]);
    rmSync(`${cache}/blobs/sha256/README`);
    expect(statSync(largest(cache)).size).toBe(bytes);
    const said = await box.failure(1, ["store", "import", cache, two], { env: there });
    expect(said).toContain(`No such image in "${cache}": ${two}`);
    await box.hb(["store", "export", "-q", cache]);
  });

  rootTest("go from root to an ordinary user and back", async () => {
    ensureTestUser();
    const folder = box.path("user");
    const env = box.env({ HB_ROOT: `${folder}/store`, HOME: folder });
    mkdirSync(folder);
    copyFileSync(hbBinary, `${folder}/hb`);
    Bun.spawnSync(["chown", "-R", testUser, folder, box.path("tmp")]);
    chmodSync(box.folder, 0o755);
    const asUser = (...args: string[]) => box.command(asTestUser(env, [`${folder}/hb`, ...args]));
    const imported = await asUser("store", "import", "-q", cache);
    expect(imported).toMatchObject({ status: 0, stderr: "" });
    const script = ["sh", "-c", "stat -c %u d/link; test -e etc/passwd || echo gone"];
    const { stdout } = await asUser("run", "--network", "none", one, ...script);
    expect(stdout).toBe("7000\ngone\n");
    const back = `${folder}/cache`;
    expect(await asUser("store", "export", "-q", back)).toEqual(imported);
    for (const name of listing(back).keys()) {
      expect(readFileSync(`${back}/${name}`).equals(readFileSync(`${cache}/${name}`))).toBe(true);
    }
    expect(await box.hb(["store", "import", "-q", back], { env: there })).toEqual(imported);
    await asUser("clean", "--all");
    await forgetElsewhere();
  });
});

describe("hb store export refuses", () => {
  test("a directory that has other things, and leaves them", async () => {
    const folder = box.path("home-of-others");
    mkdirSync(folder);
    writeFileSync(`${folder}/thesis`, "years of work");
    const said = await box.failure(1, ["store", "export", folder]);
    expect(said).toContain(`"${folder}" is neither empty nor an export`);
    expect(readdirSync(folder)).toEqual(["thesis"]);
  });

  test("links in the directory, which would lead its files and removals elsewhere", async () => {
    const folder = box.path("linked");
    const victim = box.path("victim");
    await box.hb(["store", "export", "-q", folder, one]);
    mkdirSync(victim);
    writeFileSync(`${victim}/${"a".repeat(64)}`, "precious");
    rmSync(`${folder}/blobs/sha256`, { recursive: true });
    symlinkSync(victim, `${folder}/blobs/sha256`);
    const said = await box.failure(1, ["store", "export", folder, two]);
    expect(said).toContain('blobs/sha256" is no directory');
    expect(readdirSync(victim)).toEqual(["a".repeat(64)]);
  });

  test("an image that it cannot write again, not the others, and says which", async () => {
    const twice = Array.from({ length: 1002 }, (_, n) => ({ name: "f", data: `${n}` }));
    await pushImage(registry, "exported-twice:1", [busyboxLayer(), layer(twice)]);
    await box.hb(["pull", "-q", `${registry}/exported-twice:1`]);
    const argv = ["store", "export", "-q", box.path("some"), one, `${registry}/exported-twice:1`];
    const { status, stdout, stderr } = await box.hb(argv);
    expect({ status, stdout }).toMatchObject({ status: 1, stdout: expect.stringContaining(one) });
    expect(stderr).toMatch(/^hb: Cannot export \S+exported-twice:1: layer .* replaces more .*\n$/);
    await box.hb(["rmi", `${registry}/exported-twice:1`]);
  });
});

describe("hb store import trusts nothing", () => {
  const damaged = box.path("damaged");
  const damage = (change: (file: string) => void) => {
    rmSync(damaged, { recursive: true, force: true });
    cpSync(cache, damaged, { recursive: true });
    const file = largest(damaged);
    change(file);
    return file;
  };

  test("a flipped byte is noticed and named, other images come in, an export heals", async () => {
    // The second layer of the second image: the first one is both images'.
    const list = JSON.parse(readFileSync(`${cache}/hb-store.json`, "utf8"));
    const sizes = Object.values<{ digest: string; size: number }>(list.layers);
    const { digest } = sizes.find(({ size }) => size > 59_000 && size < 70_000) ?? { digest: "" };
    damage(() => undefined);
    const file = `${damaged}/blobs/sha256/${digest.slice("sha256:".length)}`;
    const bytes = readFileSync(file);
    bytes[5000] = (bytes[5000] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const { status, stdout, stderr } = await box.hb(["store", "import", "-q", damaged], {
      env: there,
    });
    expect({ status, stdout }).toMatchObject({ status: 1, stdout: expect.stringContaining(one) });
    expect(stdout).not.toContain(two);
    expect(stderr).toMatch(/^hb: Cannot import [^\n]*\n$/);
    expect(stderr).toContain(`"${file}" is damaged`);
    await forgetElsewhere();
    await box.hb(["store", "export", "-q", damaged]);
    expect(readFileSync(file).equals(readFileSync(file.replace(damaged, cache)))).toBe(true);
  });

  const lies: [string, (file: string) => void, RegExp][] = [
    ["a missing file", (file) => rmSync(file), /is missing/],
    ["a file that is cut off", (file) => writeFileSync(file, "short"), /is damaged/],
    ["a pipe", (file) => pipeAt(file), /is no plain file/],
    ["a link", (file) => linkAt(file), /is no plain file/],
    ["another tar under the layer's name", (file) => replaceLayer(file), /\(diffID\)/],
    ["a list that is none", () => writeFileSync(`${damaged}/hb-store.json`, "{"), /is no export/],
    [
      "another image under a digest",
      () => editList((list) => ({ ...list, images: list.images.map(underDigest) })),
      /not what its name says/,
    ],
    [
      "a name that is a path",
      () => editList((list) => ({ ...list, images: [{ ...list.images[0], reference: "../x" }] })),
      /is no export that this hb can read: .*\.\.\/x/,
    ],
  ];
  for (const [name, change, message] of lies) {
    test(`${name} is refused in one line`, async () => {
      damage(change);
      const argv = ["store", "import", "-q", damaged];
      const { status, stdout, stderr } = await box.hb(argv, { env: there });
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      const lines = stderr.trimEnd().split("\n");
      for (const line of lines) expect(line).toMatch(message);
      const { stdout: left } = await box.hb(["images", "-q"], { env: there });
      expect(left).toBe("");
      await forgetElsewhere();
    });
  }

  interface List {
    readonly images: readonly { readonly reference: string }[];
    readonly layers: Record<string, { digest: string; size: number }>;
  }

  function editList(edit: (list: List) => List): void {
    const file = `${damaged}/hb-store.json`;
    writeFileSync(file, JSON.stringify(edit(JSON.parse(readFileSync(file, "utf8")))));
  }

  function underDigest<T extends { readonly reference: string }>(image: T): T {
    const name = image.reference.replace(/:\d+$/, "");
    return { ...image, reference: `${name}@sha256:${"0".repeat(64)}` };
  }

  function pipeAt(file: string): void {
    rmSync(file);
    Bun.spawnSync(["mkfifo", file]);
  }

  function linkAt(file: string): void {
    renameSync(file, `${file}.real`);
    symlinkSync(`${file}.real`, file);
  }

  /** As one who can write the cache would: the list agrees with the file. */
  function replaceLayer(file: string): void {
    const bytes = Bun.zstdCompressSync(layer([{ name: "bin/evil", data: "!" }], "none").blob);
    const hex = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    writeFileSync(`${damaged}/blobs/sha256/${hex}`, bytes);
    const before = file.slice(file.lastIndexOf("/") + 1);
    editList((list) => {
      const layers = Object.entries(list.layers).map(([blob, entry]) => {
        const isIt = entry.digest.endsWith(before);
        return [blob, isIt ? { digest: `sha256:${hex}`, size: bytes.length } : entry];
      });
      return { ...list, layers: Object.fromEntries(layers) };
    });
  }
});

box.leavesNothingBehind();
