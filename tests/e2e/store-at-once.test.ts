/** The store while several work on it, when hb is killed, and where it cannot be written. */

import { beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, hbBinary, isRoot, registry, rootTest } from "./harness.ts";

const box = new Box();
const image = `${registry}/at-once:1`;
const config = { Env: ["PATH=/bin"] };
const KIBIBYTE = 1 << 10;

beforeAll(async () => {
  const layers = Array.from({ length: 6 }, (_, i) => {
    const files = Array.from({ length: 40 }, (_, n) => {
      return { name: `l${i}-${n}`, data: `${i}.${n} `.repeat(4 * KIBIBYTE) };
    });
    return layer(files);
  });
  await pushImage(registry, "at-once:1", [busyboxLayer(), ...layers], { config });
});

const entries = (...names: string[]) => readdirSync(box.path("store", ...names));

/** Whole or absent: `hb check` finds nothing, and what is listed runs. */
async function expectWhole(): Promise<void> {
  const { status, stdout } = await box.hb(["check", "-q"]);
  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  const { stdout: names } = await box.hb(["images", "--format", "{{.Repository}}"]);
  if (!names.includes("at-once")) return;
  expect(await box.output("--pull", "never", image, "cat", "/l5-39")).toStartWith("5.39 ");
}

describe("at once", () => {
  test("two pulls of one image share the work, and both have it", async () => {
    const pulls = await Promise.all([box.hb(["pull", image]), box.hb(["pull", image])]);
    expect(pulls.map(({ status }) => status)).toEqual([0, 0]);
    expect(entries("layers")).toHaveLength(7);
    const fetched = pulls.map(({ stderr }) => stderr.match(/Pull complete/g)?.length ?? 0);
    expect(fetched.reduce((sum, each) => sum + each, 0)).toBe(7);
    await expectWhole();
  });

  test("a pull and prunes: the pull succeeds, the image is whole or gone", async () => {
    for (let round = 0; round < 4; round++) {
      const [pull, ...prunes] = await Promise.all([
        box.hb(["pull", "-q", image]),
        box.hb(["prune", "--all"]),
        box.hb(["prune"]),
      ]);
      expect({ status: pull.status, stderr: pull.stderr }).toEqual({ status: 0, stderr: "" });
      expect(prunes.map(({ status }) => status)).toEqual([0, 0]);
      await expectWhole();
    }
  });

  test("a run and an rmi: each succeeds or says why in one line", async () => {
    for (let round = 0; round < 4; round++) {
      expect((await box.hb(["pull", "-q", image])).status).toBe(0);
      const both = await Promise.all([
        box.hb(["run", "-q", "--pull", "never", image, "cat", "/l0-0"]),
        box.hb(["rmi", image]),
      ]);
      for (const { status, stderr } of both) {
        if (status !== 0) expect(stderr).toMatch(/^hb: [^\n]+\n$/);
      }
      await expectWhole();
    }
  });
});

describe("killed at any moment", () => {
  /** Of hb alone, whose helpers then end by themselves, or of hb and its helpers. */
  test.each([
    ["hb", ["--foreground"]],
    ["hb and its helpers", []],
  ])("%s: an image is whole or absent, and the next pull clears up", async (_what, flags) => {
    for (let round = 0; round < 12; round++) {
      await box.hb(["prune", "--all"]);
      const seconds = (0.02 + Math.random() * 0.2).toFixed(3);
      const pull = ["timeout", "-s", "KILL", ...flags, seconds, hbBinary, "pull", "-q", image];
      await box.command(pull);
      await expectWhole();
    }
    expect((await box.hb(["pull", "-q", image])).status).toBe(0);
    await expectWhole();
    expect((await box.hb(["prune", "--all"])).status).toBe(0);
    expect([entries("layers"), entries("tmp").filter(isStaging)]).toEqual([[], []]);
  });

  /** A small file that lost its writer is taken for one that is being written for a minute. */
  function isStaging(name: string): boolean {
    return !/^\d+-[0-9a-f-]{36}$/.test(name);
  }
});

describe("a store that cannot be written", () => {
  /** Does `use` while the store of `env` is read-only. */
  async function whileReadOnly(use: () => Promise<void>): Promise<void> {
    const folders = [box.store, ...readdirSync(box.store).map((name) => box.path("store", name))];
    if (isRoot) await box.command(["mount", "--bind", box.store, box.store]);
    if (isRoot) await box.command(["mount", "-o", "remount,bind,ro", box.store]);
    else for (const folder of folders) chmodSync(folder, 0o500);
    try {
      await use();
    } finally {
      if (isRoot) await box.command(["umount", box.store]);
      else for (const folder of folders) chmodSync(folder, 0o700);
    }
  }

  test("is listed, inspected and checked; what has to write says so in one line", async () => {
    await box.hb(["prune", "--all"]);
    expect((await box.hb(["pull", "-q", image])).status).toBe(0);
    await whileReadOnly(async () => {
      for (const args of [["images"], ["inspect", image], ["check"], ["system", "df"]]) {
        expect(await box.hb(args)).toMatchObject({ status: 0, stderr: "" });
      }
      for (const args of [
        ["pull", image],
        ["rmi", image],
        ["prune", "--all"],
      ]) {
        expect(await box.failure(1, args)).toContain("store");
      }
    });
    await expectWhole();
  });

  rootTest("that is full says so in one line, and nothing half done is left", async () => {
    const small = box.path("small");
    mkdirSync(small);
    await box.command(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small]);
    try {
      const env = { HB_ROOT: small };
      expect(await box.failure(1, ["pull", "-q", image], { env })).toMatch(/space/i);
      expect(readdirSync(`${small}/tmp`)).toEqual([]);
      expect(await box.hb(["images", "-q"], { env })).toMatchObject({ status: 0, stdout: "" });
      expect((await box.hb(["prune", "--all"], { env })).status).toBe(0);
      expect(readdirSync(`${small}/layers`)).toEqual([]);
    } finally {
      await box.command(["umount", small]);
    }
  });
});

test("an image of 500 layers runs, and each of them shows", async () => {
  const layers = Array.from({ length: 499 }, (_, i) => layer([{ name: `n${i}`, data: `${i}` }]));
  await pushImage(registry, "at-once:500", [busyboxLayer(), ...layers], { config });
  const script = "ls / | grep -c ^n[0-9]; cat /n0 /n498";
  expect(await box.output(`${registry}/at-once:500`, "sh", "-c", script)).toBe("499\n0498");
  expect((await box.hb(["check", "-q"])).status).toBe(0);
});

test("files whose writer was killed go with the next command, a minute later", async () => {
  const orphan = box.path("store", "tmp", "1-orphan");
  writeFileSync(orphan, "");
  const aMinuteAgo = Date.now() / 1000 - 61;
  // The kill tests above may have left some, too.
  for (const name of entries("tmp")) {
    utimesSync(box.path("store", "tmp", name), aMinuteAgo, aMinuteAgo);
  }
  expect((await box.hb(["pull", "-q", image])).status).toBe(0);
  expect(entries("tmp")).toEqual([]);
});

box.leavesNothingBehind();
