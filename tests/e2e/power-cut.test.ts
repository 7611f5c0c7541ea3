/** Layers that lost data when the power was cut: never run, always named, fetched again. */

import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, rmSync, symlinkSync, truncateSync } from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Disk } from "../setup/power.ts";
import { Box, registry, rootTest } from "./harness.ts";

const box = new Box();
const image = `${registry}/power-cut:1`;
const config = { Env: ["PATH=/bin"] };
const MEBIBYTE = 1 << 20;

/** The content of all files there are, in order. */
let content = "";

beforeAll(async () => {
  const layers = [0, 1, 2].map((l) => {
    const files = Array.from({ length: 20 }, (_, n) => {
      return { name: `l${l}-${10 + n}`, data: `${l}.${n} `.repeat(n * 1000) };
    });
    const zeros = { name: `zeros-${l}`, data: "\0".repeat(MEBIBYTE) };
    content += files.map(({ data }) => data).join("");
    return layer([...files, zeros]);
  });
  await pushImage(registry, "power-cut:1", [busyboxLayer(), ...layers], { config });
});

/** All layers become those of another boot of this machine. */
function startAnew(store: string): void {
  for (const name of readdirSync(`${store}/layers`)) {
    const link = `${store}/layers/${name}/boot`;
    rmSync(link, { force: true });
    symlinkSync("another", link);
  }
}

async function expectContent(env: Record<string, string>): Promise<void> {
  const md5 = new Bun.CryptoHasher("md5").update(content).digest("hex");
  const script = ["sh", "-c", "cat /l?-* | md5sum"];
  const run = await box.hb(["run", "-q", "--network", "none", image, ...script], { env });
  expect(run).toEqual({ status: 0, stdout: `${md5}  -\n`, stderr: "" });
}

describe("in a later boot", () => {
  const boots = () => {
    return readdirSync(box.path("store", "layers")).filter((name) => {
      return readdirSync(box.path("store", "layers", name)).includes("boot");
    });
  };
  const largest = () => {
    const files = readdirSync(box.path("store", "layers")).flatMap((name) => {
      const diff = box.path("store", "layers", name, "diff");
      return readdirSync(diff).map((file) => `${diff}/${file}`);
    });
    return (name: string) => files.find((file) => file.endsWith(`/${name}`)) ?? "";
  };

  beforeEach(async () => {
    expect((await box.hb(["pull", "-q", image])).status).toBe(0);
    expect(boots()).not.toEqual([]);
    startAnew(box.store);
  });

  test("the first run looks through the layers, and then they are settled", async () => {
    await expectContent({});
    expect(boots()).toEqual([]);
    await box.hb(["prune", "--all"]);
  });

  test("a file without its data is named by a run and a start, and a pull fetches it", async () => {
    expect((await box.hb(["create", "--name", "old", image, "true"])).status).toBe(0);
    startAnew(box.store);
    truncateSync(largest()("l1-29"), 5);
    for (const args of [
      ["run", image, "true"],
      ["start", "old"],
      ["create", image],
    ]) {
      const said = await box.failure(args[0] === "start" ? 1 : 125, args);
      expect(said).toMatch(/layer [0-9a-f]{12} is damaged: l1-29 is cut off; .*check --repair/);
    }
    const pulled = await box.hb(["pull", "-q", image]);
    expect(pulled.stderr).toMatch(/^hb: notice: the layer .* fetched again: l1-29 is cut off\n$/);
    await expectContent({});
    expect(boots()).toHaveLength(1);
    expect(await box.hb(["rm", "old"])).toMatchObject({ status: 0 });
    await box.hb(["prune", "--all"]);
  });

  test("a hole is damage where there was data, and none where there were zeros", async () => {
    const punch = (...args: string[]) => box.command(["fallocate", ...args]);
    expect((await punch("--dig-holes", largest()("zeros-0"))).status).toBe(0);
    await expectContent({});
    startAnew(box.store);
    const hole = ["--punch-hole", "-o", "4096", "-l", "4096", largest()("l0-29")];
    expect((await punch(...hole)).status).toBe(0);
    const found = await box.hb(["check", image]);
    expect(found.status).toBe(1);
    expect(found.stdout).toMatch(/^[^\n]*layer [0-9a-f]{12}: l0-29 has a hole\n$/);
    expect((await box.hb(["check", "--repair", image])).status).toBe(0);
    await expectContent({});
    await box.hb(["prune", "--all"]);
  });
});

rootTest(
  "a power cut at any moment leaves an image whole, absent, or named and repaired",
  async () => {
    const disk = Disk.make(box.path("power"));
    const seen = new Set<string>();
    try {
      const until = performance.now() + 10_000;
      for (let round = 0; performance.now() < until; round++) {
        const store = `${disk.mountPoint}/store-${round}`;
        const pull = box.hb(["pull", "-q", image], { env: { HB_ROOT: store } });
        await (round % 3 === 0 ? undefined : pull);
        // As the kernel does it in time: only names, by writing the journal, or data as well.
        const name = `${disk.mountPoint}/lost+found`;
        const written = box.command(["sync", ...(round % 3 === 1 ? [name] : ["-f", name])]);
        const seconds = (Math.random() * 0.2).toFixed(3);
        await (round % 3 === 1 ? written : box.command(["sleep", seconds]));
        disk.cutPower();
        await Promise.all([pull, written]);
        disk.unmount();
        disk.mount();
        seen.add(await expectNothingBroken(store));
      }
    } finally {
      disk.unmount();
    }
    expect([...seen].sort()).toEqual(["absent", "damaged", "whole"]);
  },
);

async function expectNothingBroken(store: string): Promise<string> {
  const env = { HB_ROOT: store };
  const layers = await box.command(["ls", `${store}/layers`]);
  if (layers.status !== 0) return "absent";
  for (const name of layers.stdout.trim().split("\n")) {
    // It comes with the layer, or the order of things is not what it is taken for.
    if (name !== "") expect(readdirSync(`${store}/layers/${name}`)).toContain("boot");
  }
  startAnew(store);
  const { stdout: listed } = await box.hb(["images", "-q"], { env });
  const run = await box.hb(["run", "--pull", "never", image, "true"], { env });
  if (run.status !== 0) {
    expect(run.stderr).toMatch(/^hb: Cannot (use .* is damaged: .*|run .* was not pulled).*\n$/);
  }
  // What is there is fetched again where it is damaged, without being asked for.
  expect((await box.hb(["pull", "-q", image], { env })).status).toBe(0);
  expect((await box.hb(["check", "-q"], { env })).status).toBe(0);
  await expectContent(env);
  if (listed === "") return "absent";
  return run.status === 0 ? "whole" : "damaged";
}

box.leavesNothingBehind();
