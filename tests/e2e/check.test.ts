/** `hb check`, and what `hb system df` says: damage is named, told of by a run, and repaired. */

import { beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, registry } from "./harness.ts";

const box = new Box();
const image = `${registry}/checked:1`;
const config = { Env: ["PATH=/bin"] };

async function push(word: string): Promise<string> {
  const layers = [busyboxLayer(), layer([{ name: "word", data: word }])];
  return (await pushImage(registry, "checked:1", layers, { config })).digest;
}

beforeEach(async () => {
  await push("one");
  expect((await box.hb(["check", "--repair", "-q"])).status).toBe(0);
  expect((await box.hb(["pull", "-q", image])).status).toBe(0);
});

const layers = () => readdirSync(box.path("store", "layers"));

/** The file of the record, and what is in it. */
function record() {
  const folder = box.path("store", "images", registry, "checked:1");
  const file = join(folder, readdirSync(folder)[0] ?? "");
  return { file, ...JSON.parse(readFileSync(file, "utf8")) };
}

function flipByte(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

const blob = (digest: string) => box.path("store", "blobs", digest.replace(":", "/"));
/** Its topmost layer: small, and nobody else's. */
const top = () => box.path("store", "layers", record().layers.at(-1));
/** Files of a layer may belong to other ids, its directory is always ours. */
const loseLayer = () => renameSync(top(), box.path("lost"));

describe("hb check", () => {
  test("says that nothing is broken where that is so", async () => {
    expect(await box.hb(["check"])).toMatchObject({
      ...{ status: 0, stderr: "" },
      stdout: expect.stringMatching(/^\d+ images?: nothing is broken\n$/),
    });
    expect((await box.hb(["check", "-q", image])).stdout).toBe("");
    expect(await box.failure(1, ["check", `${registry}/absent:1`])).toContain("absent");
  });

  test.each([
    ["a flipped byte in a manifest", () => flipByte(blob(record().manifest)), /manifest.*changed/],
    ["a missing config", () => rmSync(blob(record().config)), /config.*missing/],
    ["a missing layer", loseLayer, /layer [0-9a-f]{12}: it is missing/],
    ["a layer without a size", () => rmSync(join(top(), "size")), /size/],
    ["a record cut short", () => writeFileSync(record().file, "{"), /record/],
  ])("names %s with exit status 1, and repairs it", async (_what, damage, words) => {
    const { manifest } = record();
    damage();
    const found = await box.hb(["check"]);
    expect(found.status).toBe(1);
    expect(found.stdout).toMatch(words);
    expect(found.stdout).toMatch(/^[^\n]*checked:1[^\n]*\n$/);
    expect(found.stderr).toMatch(/^hb: 1 image of \d+ damaged; .*hb check --repair'\n$/);
    const repaired = await box.hb(["check", "--repair"]);
    expect(repaired.status).toBe(0);
    expect(repaired.stdout).toContain("Repaired");
    expect((await box.hb(["check"])).status).toBe(0);
    expect(record().manifest).toBe(manifest);
    expect(await box.output("--pull", "never", image, "cat", "/word")).toBe("one");
    rmSync(box.path("lost"), { recursive: true, force: true });
  });

  test("fetches the very same image although its tag has moved", async () => {
    const { manifest } = record();
    await push("two");
    rmSync(join(top(), "size"));
    expect((await box.hb(["check", "--repair"])).stdout).toContain("Repaired");
    expect(record().manifest).toBe(manifest);
    expect(await box.output("--pull", "never", image, "cat", "/word")).toBe("one");
  });

  test("removes what its registry does not have", async () => {
    const { file, ...rest } = record();
    const other = `sha256:${"0".repeat(64)}`;
    const place = join(file, "../../checked-gone:1");
    renameSync(join(file, ".."), place);
    const gone = {
      ...rest,
      file: undefined,
      reference: `${registry}/checked-gone:1`,
      manifest: other,
    };
    writeFileSync(join(place, readdirSync(place)[0] ?? ""), JSON.stringify(gone));
    const { status, stdout } = await box.hb(["check", "--repair"]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining("Removed") });
    expect((await box.hb(["images"])).stdout).not.toContain("checked-gone");
  });

  test("keeps what only cannot be fetched now, and fails", async () => {
    const { file, ...rest } = record();
    // Nobody listens there: port 1 of loopback.
    const place = box.path("store", "images", "127.0.0.1:1");
    renameSync(box.path("store", "images", registry), place);
    const away = { ...rest, reference: "127.0.0.1:1/checked:1", config: rest.manifest };
    const moved = join(place, "checked:1", file.slice(file.lastIndexOf("/") + 1));
    writeFileSync(moved, JSON.stringify(away));
    const { status, stderr } = await box.hb(["check", "--repair"]);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining("127.0.0.1:1"),
    });
    expect((await box.hb(["images"])).stdout).toContain("127.0.0.1:1/checked");
    expect((await box.hb(["rmi", "127.0.0.1:1/checked:1"])).status).toBe(0);
  });

  test("leaves a layer alone that a container is running on", async () => {
    const running = box.start(["run", "-i", image, "sh", "-c", "echo ready; read x; cat /word"]);
    await running.until("ready");
    rmSync(join(top(), "size"));
    const { status, stderr } = await box.hb(["check", "--repair"]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("in use") });
    running.stdin.write("\n");
    await running.stdin.end();
    expect(await running.end()).toMatchObject({ status: 0, stdout: "ready\none" });
  });
});

describe("a run on a damaged image", () => {
  test.each([
    ["a missing layer", loseLayer],
    ["a config that has changed", () => flipByte(blob(record().config))],
    ["a record cut short", () => writeFileSync(record().file, "{")],
  ])("says so in one line that names the repair: %s", async (_what, damage) => {
    damage();
    const said = await box.failure(125, ["run", "--pull", "never", image, "true"]);
    expect(said).toContain("hb check --repair");
    expect((await box.hb(["check", "--repair"])).status).toBe(0);
    expect(await box.output("--pull", "never", image, "cat", "/word")).toBe("one");
    rmSync(box.path("lost"), { recursive: true, force: true });
  });

  test("is mended by a pull as well", async () => {
    flipByte(blob(record().config));
    expect((await box.hb(["pull", "-q", image])).status).toBe(0);
    expect((await box.hb(["check"])).status).toBe(0);
  });
});

describe("hb system df", () => {
  test("has docker's columns, a template and JSON", async () => {
    const { status, stdout } = await box.hb(["system", "df"]);
    const [head, images, containers] = stdout.split("\n");
    expect(status).toBe(0);
    expect(head).toMatch(/^TYPE\s+TOTAL\s+ACTIVE\s+SIZE\s+RECLAIMABLE$/);
    expect(images).toMatch(/^Images\s+1\s+0\s+\S+\s+\S+ \(100%\)$/);
    expect(containers).toMatch(/^Containers\s+0\s+0\s+0B\s+0B$/);
    const json = await box.hb(["system", "df", "--format", "json"]);
    expect(JSON.parse(json.stdout.split("\n")[0] ?? "")).toMatchObject({ Type: "Images" });
    const format = "{{.Type}}={{.TotalCount}}";
    const lines = await box.hb(["system", "df", "--format", format]);
    expect(lines.stdout).toStartWith("Images=1\nContainers=0\n");
    expect(await box.failure(125, ["system", "df", "-v", "--format", "json"])).toContain("verbose");
  });

  test("counts what a container stands on as in use, and -v says by which", async () => {
    const { stdout: id } = await box.hb(["create", "--name", "user", image, "true"]);
    expect(id).toMatch(/^[0-9a-f]{64}\n$/);
    const rows = (await box.hb(["system", "df"])).stdout.split("\n");
    expect(rows[1]).toMatch(/^Images\s+1\s+1\s+\S+\s+0B \(0%\)$/);
    expect(rows[2]).toMatch(/^Containers\s+1\s+0\s/);
    const whole = (await box.hb(["system", "df", "-v"])).stdout;
    expect(whole).toMatch(/checked:1 .* 1\n/);
    expect(whole).toMatch(/Created\s+user\n/);
    expect((await box.hb(["rm", "user"])).status).toBe(0);
    expect(layers().length).toBeGreaterThan(0);
  });
});

box.leavesNothingBehind();
