/** What a registry has, and many images of it at once; from a real one. */

import { beforeAll, describe, expect, test } from "bun:test";
import { layer, pushImage, pushIndex } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, registry } from "./harness.ts";

const box = new Box();
const config = { Env: ["PATH=/bin"] };
const tags = ["1", "1.1", "2-beta"];
const repository = `${registry}/browse/app`;

beforeAll(async () => {
  for (const tag of tags) {
    const layers = [busyboxLayer(), layer([{ name: "tag", data: tag }])];
    await pushImage(registry, `browse/app:${tag}`, layers, { config });
  }
});

describe("hb tags", () => {
  test("prints one tag a line", async () => {
    const { status, stdout, stderr } = await box.hb(["tags", repository]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    // Debian's registry keeps no order.
    expect(stdout.trimEnd().split("\n").sort()).toEqual(tags);
  });

  test("a repository that is not there is one line", async () => {
    const line = await box.failure(1, ["tags", `${registry}/browse/none`]);
    expect(line).toContain(`Cannot list the tags of ${registry}/browse/none`);
  });

  test("a tag in the name is refused", async () => {
    expect(await box.failure(1, ["tags", `${repository}:1`])).toContain("a repository is meant");
  });
});

describe("hb manifest inspect", () => {
  test("prints the manifest of an image that is not pulled", async () => {
    const { status, stdout, stderr } = await box.hb(["manifest", "inspect", `${repository}:1`]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ schemaVersion: 2, layers: [{}, {}] });
    expect((await box.hb(["images", "-q"])).stdout).toBe("");
  });

  test("-v adds the descriptor; of an index, every platform's", async () => {
    const options = { config, architecture: "s390x" };
    const other = await pushImage(registry, "browse/multi:s390x", [busyboxLayer()], options);
    const platform = { os: "linux", architecture: "s390x" };
    await pushIndex(registry, "browse/multi:1", [{ ...other, platform }]);
    const verbose = async (name: string): Promise<unknown> => {
      const { stdout } = await box.hb(["manifest", "inspect", "-v", `${registry}/browse/${name}`]);
      return JSON.parse(stdout);
    };
    const descriptor = { digest: other.digest, size: other.size, platform };
    const entry = { Descriptor: descriptor, OCIManifest: { layers: [{}] } };
    expect(await verbose("multi:1")).toMatchObject([entry]);
    expect(await verbose("multi:s390x")).toMatchObject(entry);
  });
});

describe("hb pull", () => {
  test("of several images reports them in the order they were named", async () => {
    const images = ["2-beta", "1"].map((tag) => `${repository}:${tag}`);
    const { status, stdout } = await box.hb(["pull", ...images]);
    expect(status).toBe(0);
    expect(stdout.split("\n").filter((line) => line.startsWith(registry))).toEqual(images);
    expect(await box.output("--pull", "never", images[1] ?? "", "cat", "/tag")).toBe("1");
  });

  test("--all-tags brings every tag", async () => {
    const { status, stdout, stderr } = await box.hb(["pull", "-q", "--all-tags", repository]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.match(/^sha256:[0-9a-f]{64}$/gm)).toHaveLength(tags.length);
    for (const tag of tags) {
      const image = `${repository}:${tag}`;
      expect(await box.output("--pull", "never", image, "cat", "/tag")).toBe(tag);
    }
  });

  test("goes on with the others after one that fails, and fails", async () => {
    const [good, bad] = [`${repository}:1.1`, `${repository}:none`];
    await box.hb(["rmi", good]);
    const { status, stdout, stderr } = await box.hb(["pull", bad, good, `${bad}2`]);
    expect(status).toBe(1);
    expect(stdout).toContain(`${good}\n`);
    expect(stderr).toMatch(
      /^hb: notice: Cannot pull \S+:none: [^\n]+\nhb: Cannot pull \S+:none2: /m,
    );
  });

  test("draws the layers of all images into one area", async () => {
    const env = { HB_ROOT: box.path("area") };
    const images = tags.map((tag) => `${repository}:${tag}`);
    const argv = [
      "env",
      `HB_ROOT=${env.HB_ROOT}`,
      process.env.HB_TEST_BIN ?? "",
      "pull",
      ...images,
    ];
    const { status, text } = await box.onTerminal(argv, { cols: 100, rows: 30 }).end();
    expect(status).toBe(0);
    // The last frame has the shared layer once, and one of each image's own.
    const frame = text.slice(text.lastIndexOf("\x1b[4A"));
    expect(frame.match(/^\S*[0-9a-f]{12}: (Pull complete|Already exists)/gm)).toHaveLength(4);
  });
});

box.leavesNothingBehind();
