/** Additional stores: images of other stores run where they are, and nothing is written there. */

import { beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import type { Entry } from "../setup/tar.ts";
import { ensureTestUser, testUser } from "../setup/user.ts";
import { Box, isRoot, registry, rootTest } from "./harness.ts";

const box = new Box();
const base = `${registry}/shared:base`;
const app = `${registry}/shared:app`;
/** What a machine image has brought along; overlayfs's separators are in its name. */
const shared = box.path("o:p,t\\", "images");
const withStore = ["--store", shared];

/** Removals, an opaque directory, owners, and what leans on the layer below. */
const odd: Entry[] = [
  { name: "hello", data: "hello\n" },
  { name: "home/.wh..wh..opq", data: "" },
  { name: "home/only", data: "x", uid: 7000, gid: 7000 },
  { name: "etc/.wh.passwd", data: "" },
  { name: "bin/again", type: "1", link: "bin/busybox" },
];
const look = [
  "sh",
  "-c",
  "cat hello; ls home; stat -c %u home/only; test -e etc/passwd || echo gone",
];
const seen = "hello\nonly\n7000\ngone";

/** Everything in the store, with what would tell a change. */
function listing(): string[] {
  const names = readdirSync(shared, { recursive: true, encoding: "utf8" });
  return ["", ...names].sort().map((name) => {
    const { mode, mtimeMs, ctimeMs, size } = lstatSync(`${shared}/${name}`);
    return `${name} ${mode} ${mtimeMs} ${ctimeMs} ${size}`;
  });
}

function ownLayers(): string[] {
  return readdirSync(`${box.store}/layers`);
}

beforeAll(async () => {
  const config = { Env: ["PATH=/bin"], Cmd: ["cat", "/hello"] };
  const users = layer([{ name: "home/user/file", data: "below" }]);
  await pushImage(registry, "shared:base", [busyboxLayer(), users, layer(odd)], { config });
  const own = layer([{ name: "own", data: "of the app\n" }]);
  const layers = [busyboxLayer(), users, layer(odd), own];
  await pushImage(registry, "shared:app", layers, { config: { ...config, Cmd: ["cat", "/own"] } });
  mkdirSync(shared, { recursive: true });
  await box.hb(["pull", "-q", base], { env: { HB_ROOT: shared } });
});

describe("an image of an additional store", () => {
  test("runs without a pull, and nothing is written there nor copied", async () => {
    const before = listing();
    const argv = [...withStore, "--pull", "never", "--network", "none"];
    expect(await box.output(...argv, base, ...look)).toBe(seen);
    // Of the layers there are links here, and no image.
    for (const name of ownLayers()) {
      const target = readlinkSync(`${box.store}/layers/${name}/diff`);
      expect(target).toBe(`${shared}/layers/${name}/diff`);
    }
    expect((await box.hb(["images", "-q"])).stdout).toBe("");
    expect(listing()).toEqual(before);
  });

  test("is found by the variable, too, after the caller's own", async () => {
    const env = { HB_ADDITIONAL_STORES: `/nonexistent:${box.path("plain")}` };
    Bun.spawnSync(["ln", "-s", shared, box.path("plain")]);
    const { stdout, stderr } = await box.hb(["run", "--network", "none", base], { env });
    expect(stdout).toBe("hello\n");
    expect(stderr).toBe('hb: notice: the store "/nonexistent" is left out: it is not there\n');
  });

  test("hands the container no descriptor of its locks", async () => {
    const argv = [...withStore, "--network", "none", base, "sh", "-c", "ls /proc/self/fd | wc -l"];
    const { stdout } = await box.hb(["run", ...argv]);
    // Three, and the one that ls reads the directory by.
    expect(stdout).toBe("4\n");
  });

  test("is shown by images, inspect, history and save", async () => {
    const format = ["--format", "{{.Tag}} {{.Store}} {{.ReadOnly}}"];
    const { stdout: rows } = await box.hb(["images", ...withStore, ...format]);
    expect(rows).toBe(`base ${shared} true\n`);
    const { stdout: id } = await box.hb(["inspect", ...withStore, "-f", "{{.Id}}", base]);
    const there = { env: { HB_ROOT: shared } };
    expect(id).toBe((await box.hb(["images", "-q", "--no-trunc"], there)).stdout);
    const sizes = ["history", "--human=false", "--format", "{{.Size}}", base];
    expect(await box.hb([...sizes, ...withStore])).toEqual(await box.hb(sizes, there));
    for (const [name, flags, env] of [
      ["a.tar", withStore, {}],
      ["b.tar", [], there.env],
    ] as const) {
      await box.hb(["save", "-o", box.path(name), ...flags, base], { env });
    }
    expect(readFileSync(box.path("a.tar")).equals(readFileSync(box.path("b.tar")))).toBe(true);
  });

  test("is pushed from there, and nothing is written there", async () => {
    const before = listing();
    const env = { HB_ADDITIONAL_STORES: box.path("plain") };
    const target = `${registry}/shared-pushed:1`;
    expect(await box.hb(["push", "-q", base, target], { env })).toMatchObject({ status: 0 });
    expect((await box.hb(["manifest", "inspect", target])).status).toBe(0);
    expect(listing()).toEqual(before);
  });

  test("is not removed by rmi or prune, whose links go", async () => {
    const env = { HB_ADDITIONAL_STORES: box.path("plain") };
    const before = listing();
    const said = await box.failure(1, ["rmi", base], { env });
    expect(said).toContain(`it is in the store "${box.path("plain")}"; that store is only read`);
    expect((await box.hb(["prune", "--all"], { env })).stdout).toContain("0B freed");
    expect(ownLayers()).toEqual([]);
    expect(listing()).toEqual(before);
  });
});

test("what lost data there in a power cut does not run from there", async () => {
  const layers = readdirSync(`${shared}/layers`);
  const links = layers.map((name) => `${shared}/layers/${name}/boot`);
  const now = readlinkSync(links[0] ?? "");
  const setBoot = (boot: string) => {
    for (const link of links) {
      rmSync(link);
      symlinkSync(boot, link);
    }
  };
  setBoot("an-earlier-one");
  const before = listing();
  const argv = [...withStore, "--network", "none"];
  expect(await box.output(...argv, "--pull", "never", base, ...look)).toBe(seen);
  expect(listing()).toEqual(before);
  await box.hb(["prune"]);
  const [file = ""] = layers
    .map((name) => `${shared}/layers/${name}/diff/hello`)
    .filter(existsSync);
  truncateSync(file, 0);
  const said = await box.failure(125, ["run", ...argv, "--pull", "never", base]);
  expect(said).toMatch(/^Cannot use \S+: its layer [0-9a-f]{12} is damaged: .*hello/);
  // A pull has it from the registry.
  const { stderr } = await box.hb(["pull", ...withStore, base]);
  expect(stderr.match(/Already exists/g)).toHaveLength(2);
  expect(stderr.match(/Pull complete/g)).toHaveLength(1);
  expect(await box.output("--network", "none", base, ...look)).toBe(seen);
  await box.hb(["rmi", base]);
  await box.hb(["prune"]);
  writeFileSync(file, "hello\n");
  setBoot(now);
});

describe("a pull with an additional store", () => {
  test("takes what is there and fetches the rest; other commands need not know", async () => {
    const before = listing();
    const { stderr } = await box.hb(["pull", ...withStore, app]);
    expect(stderr.match(/Already exists/g)).toHaveLength(3);
    expect(stderr.match(/Pull complete/g)).toHaveLength(1);
    expect(await box.output("--network", "none", app, ...look)).toBe(seen);
    expect(await box.hb(["check", "-q"])).toEqual({ status: 0, stdout: "", stderr: "" });
    await box.hb(["tag", app, "mine:1"]);
    await box.hb(["save", "-o", box.path("app.tar"), "mine:1"]);
    expect(await box.hb(["rmi", "mine:1"])).toMatchObject({ status: 0 });
    const { stdout } = await box.hb(["system", "df", "--format", "{{.Type}} {{.Size}}"]);
    // The one layer that is here; the others are paid for elsewhere.
    expect(stdout).toContain("Images 2.05kB\n");
    expect(listing()).toEqual(before);
  });

  test("keeps a container startable, and its layers from a prune", async () => {
    await box.hb(["create", "--name", "kept", "--network", "none", ...withStore, base]);
    await box.hb(["rmi", "-f", app]);
    await box.hb(["prune", "--images"]);
    expect((await box.hb(["start", "-a", "kept"])).stdout).toBe("hello\n");
    expect(await box.hb(["diff", "kept"])).toMatchObject({ status: 0 });
    await box.hb(["rm", "kept"]);
    await box.hb(["prune"]);
    expect(ownLayers()).toEqual([]);
  });

  test("names the store and the image once the store is gone, and a pull fetches all", async () => {
    await box.hb(["pull", "-q", ...withStore, app]);
    await box.hb(["create", "--name", "kept", "--network", "none", app]);
    renameSync(shared, `${shared}-gone`);
    const lost = `a layer of it was in the store "${shared}" and is there no more; pull`;
    expect(await box.failure(125, ["run", app])).toContain(`Cannot run ${app}: ${lost}`);
    expect(await box.failure(1, ["start", "kept"])).toContain(`Cannot run ${app}: ${lost}`);
    const { status, stdout } = await box.hb(["check"]);
    expect({ status, stdout }).toMatchObject({
      status: 1,
      stdout: expect.stringContaining(shared),
    });
    expect((await box.hb(["pull", app])).stderr.match(/Pull complete/g)).toHaveLength(3);
    expect(await box.output("--network", "none", app, ...look)).toBe(seen);
    expect((await box.hb(["start", "-a", "kept"])).stdout).toBe("of the app\n");
    await box.hb(["rm", "kept"]);
    await box.hb(["rmi", app]);
    renameSync(`${shared}-gone`, shared);
  });
});

describe("a store that can only be read", () => {
  rootTest("works on a file system mounted read-only", async () => {
    const mounted = box.path("mounted");
    mkdirSync(mounted);
    const mount = (...args: string[]) => box.command(["mount", ...args]);
    await mount("--bind", shared, mounted);
    await mount("-o", "remount,bind,ro", mounted);
    try {
      const argv = ["--store", mounted, "--pull", "never", "--network", "none"];
      expect(await box.output(...argv, base, ...look)).toBe(seen);
      expect(await box.hb(["pull", "-q", "--store", mounted, app])).toMatchObject({ status: 0 });
      expect(await box.output("--network", "none", app, ...look)).toBe(seen);
      await box.hb(["rmi", app]);
    } finally {
      await box.command(["umount", mounted]);
    }
    await box.hb(["prune"]);
  });

  test("works without a right to write in it", async () => {
    const folders = ["", "/images", "/layers", "/blobs", "/blobs/sha256", "/tmp"];
    for (const name of folders) chmodSync(`${shared}${name}`, 0o500);
    const argv = [...withStore, "--pull", "never", "--network", "none"];
    expect(await box.output(...argv, base, ...look)).toBe(seen);
    for (const name of folders) chmodSync(`${shared}${name}`, 0o700);
    await box.hb(["prune"]);
  });
});

describe("a store that does not fit is left out with a notice", () => {
  const cases: [string, () => void, () => void, RegExp][] = [
    [
      "unpacked for other ids",
      () => setForm(isRoot ? "user 0:1000:1 0:1000:1" : "trusted"),
      () => setForm(),
      /shared:base in the store .* is left out: it was unpacked for other user ids/,
    ],
    [
      "where others can write",
      () => chmodSync(`${shared}/layers`, 0o777),
      () => chmodSync(`${shared}/layers`, 0o700),
      /is left out: others than its owner can write there/,
    ],
    [
      "with a damaged record",
      () => writeFileSync(recordFile(), "{"),
      () => cpSync(box.path("record"), recordFile()),
      /is left out: Cannot read the image record/,
    ],
  ];
  for (const [name, break_, mend, notice] of cases) {
    test(`${name}: the image is pulled instead`, async () => {
      cpSync(recordFile(), box.path("record"));
      break_();
      const argv = [...withStore, "--network", "none"];
      const never = await box.hb(["run", ...argv, "--pull", "never", base, ...look]);
      const pulled = await box.hb(["run", "-q", ...argv, base, ...look]);
      mend();
      expect(never).toMatchObject({ status: 125, stderr: expect.stringMatching(notice) });
      expect(pulled).toMatchObject({ status: 0, stderr: expect.stringMatching(notice) });
      expect(pulled.stdout).toBe(`${seen}\n`);
      // Of a record that cannot be read the layers can still be used.
      for (const layer of name === "with a damaged record" ? [] : ownLayers()) {
        expect(lstatSync(`${box.store}/layers/${layer}/diff`).isDirectory()).toBe(true);
      }
      await box.hb(["rmi", base]);
    });
  }

  rootTest("of another user, whom root does not obey", async () => {
    ensureTestUser();
    Bun.spawnSync(["chown", testUser, `${shared}/images`]);
    const argv = ["run", ...withStore, "--pull", "never", base];
    const { status, stderr } = await box.hb(argv);
    Bun.spawnSync(["chown", "root", `${shared}/images`]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/is left out: it belongs to uid \d+\n/);
  });

  function recordFile(): string {
    const [name = ""] = readdirSync(`${shared}/images`, {
      recursive: true,
      encoding: "utf8",
    }).filter((each) => each.endsWith(".json"));
    return `${shared}/images/${name}`;
  }

  /** What each layer says it was unpacked for; the truth again without `form`. */
  function setForm(form?: string): void {
    for (const layer of readdirSync(`${shared}/layers`)) {
      const file = `${shared}/layers/${layer}/form`;
      if (form === undefined) cpSync(`${file}.true`, file);
      else {
        cpSync(file, `${file}.true`);
        writeFileSync(file, `${form}\n`);
      }
    }
  }
});

test("the other store can be cleaned by its owner", async () => {
  const { status } = await box.hb(["clean", "--all"], { env: { HB_ROOT: shared } });
  expect(status).toBe(0);
});

box.leavesNothingBehind();
