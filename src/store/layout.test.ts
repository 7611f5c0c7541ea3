import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatError } from "../errors.ts";
import { parseReference } from "../image/reference.ts";
import {
  createStore,
  currentStore,
  imageRecordPath,
  layerPath,
  openStore,
  type StoreEnvironment,
  storeRoot,
  within,
} from "./layout.ts";

describe("storeRoot()", () => {
  const cases: [StoreEnvironment, string][] = [
    [{ uid: 0, env: { HOME: "/root" } }, "/var/lib/hb"],
    [{ uid: 5, env: { HOME: "/home/u" } }, "/home/u/.local/share/hb"],
    [{ uid: 5, env: { HOME: "/home/u", XDG_DATA_HOME: "/data" } }, "/data/hb"],
    [{ uid: 5, env: { HOME: "/home/u", XDG_DATA_HOME: "data" } }, "/home/u/.local/share/hb"],
    [{ uid: 0, env: { HB_ROOT: "/elsewhere" } }, "/elsewhere"],
    [{ uid: 5, env: { HOME: "/home/u", HB_ROOT: "" } }, "/home/u/.local/share/hb"],
  ];
  for (const [environment, root] of cases) {
    test(`is ${root} for ${JSON.stringify(environment)}`, () => {
      expect(storeRoot(environment)).toBe(root);
    });
  }

  test("refuses a relative HB_ROOT and a missing HOME with what to do", () => {
    expect(() => storeRoot({ uid: 5, env: { HB_ROOT: "store" } })).toThrow("relative path");
    expect(() => storeRoot({ uid: 5, env: {} })).toThrow("HOME is not set");
  });
});

describe("store paths", () => {
  const store = openStore("/s/");

  test("put an image under registry, repository and tag or digest, one file per platform", () => {
    const platform = { os: "linux", architecture: "arm", variant: "v7" };
    const digest = `sha256:${"a".repeat(64)}`;
    const path = (text: string) => imageRecordPath(store, parseReference(text), platform);
    expect(path("debian:12")).toBe(
      "/s/images/docker.io/library/debian:12/linux-arm-v7.json" as never,
    );
    expect(path(`h:5000/a/b:1@${digest}`)).toBe(
      `/s/images/h:5000/a/b@${digest}/linux-arm-v7.json` as never,
    );
  });

  test("do not leave the store, whatever a name says", () => {
    expect(() => layerPath(store, "../../etc")).toThrow("no layer's name");
    expect(() => layerPath(store, "a".repeat(63))).toThrow();
    expect(() => within(store.tmp, "../x")).toThrow();
    expect(() => within(store.tmp, "/x")).toThrow();
  });
});

describe("currentStore()", () => {
  const before = process.env.HB_ROOT;
  afterEach(() => {
    if (before === undefined) delete process.env.HB_ROOT;
    else process.env.HB_ROOT = before;
  });

  test("is nobody else's: whoever writes to it decides what hb does", () => {
    const foreign = process.geteuid?.() === 0 ? mkdtempSync(join(tmpdir(), "hb-store-")) : "/usr";
    if (foreign !== "/usr") chownSync(foreign, 1, 1);
    process.env.HB_ROOT = foreign;
    expect(() => currentStore()).toThrow("it belongs to uid");
  });

  test("need not be there", () => {
    process.env.HB_ROOT = "/none/such";
    expect(currentStore().root).toBe("/none/such" as never);
  });
});

describe("createStore()", () => {
  test("says in one line who the store belongs to, if not to the caller", () => {
    const store = openStore(mkdtempSync(join(tmpdir(), "hb-store-")));
    expect(() => createStore(store, 12345)).toThrow("it belongs to uid");
  });

  test("says in one line that something else is in the way", () => {
    const directory = mkdtempSync(join(tmpdir(), "hb-store-"));
    writeFileSync(join(directory, "file"), "");
    chmodSync(directory, 0o700);
    try {
      createStore(openStore(join(directory, "file")), process.geteuid?.() ?? 0);
      throw new Error("no error");
    } catch (error) {
      expect(formatError(error)).toContain("; set HB_ROOT to a directory");
    }
  });
});
