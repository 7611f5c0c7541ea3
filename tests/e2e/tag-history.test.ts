/** More names for an image, and the steps that made it. */

import { describe, expect, test } from "bun:test";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, busybox, registry } from "./harness.ts";

const box = new Box();
const config = { Env: ["PATH=/bin"] };

describe("hb tag", () => {
  test("gives a name by which the image runs after its first name is gone", async () => {
    await box.hb(["pull", "-q", busybox]);
    expect(await box.hb(["tag", busybox, "mine:1"])).toEqual({ status: 0, stdout: "", stderr: "" });
    await box.hb(["rmi", busybox]);
    expect(await box.output("--pull", "never", "mine:1", "echo", "fine")).toBe("fine");
  });

  test("takes the beginning of an id", async () => {
    const { stdout: id } = await box.hb(["images", "-q", "mine:1"]);
    expect((await box.hb(["tag", id.trim(), "mine:2"])).status).toBe(0);
    expect((await box.hb(["images", "-q", "mine:2"])).stdout).toBe(id);
  });

  test("takes the name from another image, whose layers go with it", async () => {
    const other = `${registry}/other:1`;
    await pushImage(registry, "other:1", [busyboxLayer(), layer([{ name: "o", data: "o" }])], {
      config,
    });
    await box.hb(["pull", "-q", other]);
    await box.hb(["tag", other, "moving:1"]);
    await box.hb(["rmi", other]);
    await box.hb(["tag", "mine:1", "moving:1"]);
    expect(
      await box.output("--pull", "never", "moving:1", "sh", "-c", "test -e /o || echo no"),
    ).toBe("no");
    expect((await box.hb(["prune"])).stdout).not.toMatch(/[1-9]\d* layer/);
  });

  test("of what is not there, or to a digest, is one line and 1", async () => {
    expect(await box.failure(1, ["tag", "absent:1", "x"])).toContain("absent:1");
    const digest = `x@sha256:${"0".repeat(64)}`;
    expect(await box.failure(1, ["tag", "mine:1", digest])).toContain("digest");
  });
});

describe("hb history", () => {
  const name = `${registry}/steps:1`;

  test("lists the steps, the last one first, with the sizes of their layers", async () => {
    const history = [
      { created: "2020-01-01T00:00:00Z", created_by: "first", comment: "a remark" },
      {
        created: "2020-01-02T00:00:00Z",
        created_by: `second ${"x".repeat(50)}`,
        empty_layer: true,
      },
    ];
    await pushImage(registry, "steps:1", [busyboxLayer()], { config, history });
    await box.hb(["pull", "-q", name]);
    const { stdout } = await box.hb(["history", name]);
    const [head, second, first] = stdout.split("\n");
    expect(head).toMatch(/^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$/);
    expect(second).toMatch(/^[0-9a-f]{12} +\d years ago +second x+… +0B$/);
    expect(first).toMatch(/^<missing> +\d years ago +first +[\d.]+MB +a remark$/);
  });

  test("has docker's fields, and whole commands with --no-trunc", async () => {
    const format = "{{.CreatedBy}} {{.CreatedAt}}";
    const { stdout } = await box.hb(["history", "--no-trunc", "--format", format, name]);
    expect(stdout).toBe(
      `second ${"x".repeat(50)} 2020-01-02 00:00:00 +0000 UTC\n` +
        "first 2020-01-01 00:00:00 +0000 UTC\n",
    );
    const { stdout: ids } = await box.hb(["history", "-q", "--no-trunc", name]);
    expect(ids).toMatch(/^sha256:[0-9a-f]{64}\n<missing>\n$/);
  });
});

box.leavesNothingBehind();
