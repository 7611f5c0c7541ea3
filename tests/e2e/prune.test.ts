/** What `hb prune` takes by age, label and room, and HB_STORE_MAX: in use is in use. */

import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, registry } from "./harness.ts";

const box = new Box();
const image = (tag: string) => `${registry}/prune-${tag}:1`;
const MEBIBYTE = 1 << 20;

/** Each is busybox and a layer of 5 MiB of its own. */
beforeAll(async () => {
  const push = (tag: string, created: string, labels: Record<string, string>) => {
    const big = layer([{ name: tag, data: tag.padEnd(5 * MEBIBYTE, tag) }]);
    const config = { Env: ["PATH=/bin"], Labels: labels };
    return pushImage(registry, `prune-${tag}:1`, [busyboxLayer(), big], { config, created });
  };
  await push("a", "2020-01-01T00:00:00Z", { tier: "one" });
  await push("b", "2026-01-01T00:00:00Z", { tier: "two" });
  await push("c", "2026-01-01T00:00:00Z", {});
});

beforeEach(async () => {
  expect((await box.hb(["prune", "--all"])).status).toBe(0);
});

async function pull(...tags: string[]): Promise<void> {
  for (const tag of tags) expect((await box.hb(["pull", "-q", image(tag)])).status).toBe(0);
}

/** The last of `tags` was used latest; all of them hours ago. */
function usedInOrder(...tags: string[]): void {
  for (const [at, tag] of tags.entries()) {
    const folder = box.path("store", "images", registry, `prune-${tag}:1`);
    const file = join(folder, readdirSync(folder)[0] ?? "");
    const time = Date.now() / 1000 - 86_400 + at * 3600;
    utimesSync(file, time, time);
  }
}

async function left(): Promise<string> {
  const { stdout } = await box.hb(["images", "--format", "{{.Repository}}"]);
  return [...stdout.matchAll(/prune-(\w)/g)].map(([, tag]) => tag).join("");
}

/** Bytes for busybox and so many of the others. */
function roomFor(count: number): string {
  const folder = box.path("store", "layers");
  const sizes = readdirSync(folder).map((name) => {
    return Number(readFileSync(join(folder, name, "size"), "latin1"));
  });
  const shared = sizes.filter((bytes) => bytes < 5 * MEBIBYTE || bytes > 5.1 * MEBIBYTE);
  return String(shared.reduce((sum, bytes) => sum + bytes, Math.ceil(count * 5.1 * MEBIBYTE)));
}

describe("hb prune", () => {
  test("--filter until= takes images that were made before", async () => {
    await pull("a", "b");
    const { status } = await box.hb(["prune", "-a", "--filter", "until=2024-01-01"]);
    expect({ status, left: await left() }).toEqual({ status: 0, left: "b" });
  });

  test("--filter label= and label!= take images by what their configs say", async () => {
    await pull("a", "b", "c");
    await box.hb(["prune", "-a", "--filter", "label=tier=two"]);
    expect(await left()).toBe("ac");
    await box.hb(["prune", "-a", "--filter", "label!=tier"]);
    expect(await left()).toBe("a");
  });

  test("--filter means ended containers, too", async () => {
    await pull("a");
    for (const name of ["one", "two"]) {
      const flags = ["--name", name, "--label", `is=${name}`];
      expect((await box.hb(["create", ...flags, image("a"), "true"])).status).toBe(0);
    }
    await box.hb(["prune", "--filter", "until=1h"]);
    expect((await box.hb(["ps", "-aq"])).stdout.match(/\n/g)).toHaveLength(2);
    await box.hb(["prune", "--filter", "label=is=one"]);
    expect((await box.hb(["ps", "-a", "--format", "{{.Names}}"])).stdout).toBe("two\n");
    expect((await box.hb(["rm", "two"])).status).toBe(0);
  });

  test("--keep takes the least recently used first, until there is room", async () => {
    await pull("a", "b", "c");
    usedInOrder("b", "c", "a");
    await box.hb(["prune", "--keep", roomFor(2)]);
    expect(await left()).toBe("ac");
    await box.hb(["prune", "--keep", roomFor(1)]);
    expect(await left()).toBe("a");
    await box.hb(["prune", "--keep", "1g"]);
    expect(await left()).toBe("a");
  });

  test("a run is a use", async () => {
    await pull("a", "b");
    usedInOrder("a", "b");
    await box.output("--pull", "never", image("a"), "true");
    await box.hb(["prune", "--keep", roomFor(1)]);
    expect(await left()).toBe("a");
  });

  test("--keep leaves what a container is running on", async () => {
    await pull("a", "b");
    usedInOrder("a", "b");
    const running = box.start(["run", "-i", image("a"), "sh", "-c", "echo ready; read x; ls /a"]);
    await running.until("ready");
    usedInOrder("a", "b");
    expect((await box.hb(["prune", "--keep", "1"])).status).toBe(0);
    expect(await left()).toBe("a");
    running.stdin.write("\n");
    await running.stdin.end();
    expect(await running.end()).toMatchObject({ status: 0, stdout: "ready\n/a\n" });
  });

  test.each([
    [["--keep", "much"], /--keep "much"/],
    [["--filter", "until=soon"], /until "soon"/],
    [["--filter", "colour=red"], /colour=red/],
    [["--keep", "1g", "--containers"], /--containers/],
  ])("refuses %p in one line, and removes nothing", async (flags, words) => {
    await pull("a");
    expect(await box.failure(125, ["prune", ...flags])).toMatch(words);
    expect(await left()).toBe("a");
  });
});

describe("HB_STORE_MAX", () => {
  test("makes room after a pull, never by the image that was pulled", async () => {
    await pull("a", "b");
    usedInOrder("b", "a");
    const env = { HB_STORE_MAX: roomFor(2) };
    const pulled = await box.hb(["pull", image("c")], { env });
    expect(pulled.stderr).toContain("removed 1 image for HB_STORE_MAX");
    expect(await left()).toBe("ac");
    expect((await box.hb(["run", "-q", image("b"), "true"], { env })).status).toBe(0);
    expect(await left()).toBe("bc");
  });

  test("that is too small for one image is a notice, and the image is there", async () => {
    const pulled = await box.hb(["pull", "-q", image("a")], { env: { HB_STORE_MAX: "1m" } });
    expect(pulled.status).toBe(0);
    expect(pulled.stderr).toMatch(/^hb: notice: the store takes .* more than HB_STORE_MAX/);
    expect(await left()).toBe("a");
  });

  test("that is no size is said before anything is pulled", async () => {
    const env = { HB_STORE_MAX: "lots" };
    expect(await box.failure(125, ["pull", image("a")], { env })).toContain('HB_STORE_MAX "lots"');
    expect(await left()).toBe("");
  });
});

box.leavesNothingBehind();
