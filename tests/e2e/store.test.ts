/** The commands about what is kept: images, inspect, rmi, prune, clean, and kept containers. */

import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, busybox, registry } from "./harness.ts";

const box = new Box();
const config = { Env: ["PATH=/bin"] };

function layers(): string[] {
  return readdirSync(box.path("store", "layers"));
}

describe("an empty store", () => {
  test("has no images, and none of the commands minds", async () => {
    expect((await box.hb(["images", "-q"])).stdout).toBe("");
    expect((await box.hb(["images", "--format", "json"])).stdout).toBe("");
    expect((await box.hb(["prune"])).status).toBe(0);
    expect((await box.hb(["clean", "--all"])).status).toBe(0);
  });
});

describe("hb images and hb inspect", () => {
  test("show what was pulled: a table, digests, or JSON", async () => {
    const { stdout: digest } = await box.hb(["pull", "-q", busybox]);
    const table = await box.hb(["images"]);
    expect(table).toMatchObject({ status: 0, stderr: "" });
    expect(table.stdout.split("\n")[0]).toMatch(/^REPOSITORY\s+TAG\s+/);
    expect(table.stdout).toContain(`${registry}/busybox`);
    // One object per line, as docker has it.
    const image = JSON.parse((await box.hb(["images", "--format", "json"])).stdout);
    expect(JSON.stringify(image)).toContain(digest.trim());
    expect((await box.hb(["images", "-q"])).stdout.trim()).toMatch(/^(sha256:)?[0-9a-f]{12,64}$/);
  });

  test("inspect prints one JSON document with the config", async () => {
    const { status, stdout } = await box.hb(["inspect", busybox]);
    expect(status).toBe(0);
    expect(JSON.stringify(JSON.parse(stdout))).toContain("PATH=/usr/local/sbin");
  });

  test("a reader that goes away is no failure to talk about (SIGPIPE)", async () => {
    const script = '"$0" inspect "$1" | head -c 1';
    const run = await box.command(["bash", "-c", script, process.env.HB_TEST_BIN ?? "hb", busybox]);
    expect(run.stderr).toBe("");
  });

  test.each([["inspect"], ["rmi"]])(
    "%s of an image that is not there is one line and 1",
    async (command) => {
      expect(await box.failure(1, [command, `${registry}/absent:1`])).toContain("absent");
    },
  );
});

describe("hb rmi, prune and clean", () => {
  test("rmi takes the name, and prune the layers that no image needs", async () => {
    await pushImage(registry, "kept:1", [busyboxLayer()], { config });
    await pushImage(registry, "gone:1", [busyboxLayer(), layer([{ name: "g", data: "g" }])], {
      config,
    });
    await box.hb(["pull", "-q", `${registry}/kept:1`]);
    await box.hb(["pull", "-q", `${registry}/gone:1`]);
    const before = layers().length;
    expect((await box.hb(["rmi", `${registry}/gone:1`])).status).toBe(0);
    expect((await box.hb(["prune"])).status).toBe(0);
    expect(layers().length).toBe(before - 1);
    expect(await box.output("--pull", "never", `${registry}/kept:1`, "echo", "fine")).toBe("fine");
  });

  test("a layer in use by a running container stays until it ends (H-20)", async () => {
    await pushImage(registry, "used:1", [busyboxLayer(), layer([{ name: "u", data: "u" }])], {
      config,
    });
    await box.hb(["pull", "-q", `${registry}/used:1`]);
    const script = "echo ready; read x; cat /u";
    const running = box.start(["run", "-i", `${registry}/used:1`, "sh", "-c", script]);
    await running.until("ready");
    await box.hb(["rmi", `${registry}/used:1`]);
    expect((await box.hb(["prune"])).status).toBe(0);
    running.stdin.write("\n");
    await running.stdin.end();
    expect(await running.end()).toMatchObject({ status: 0, stdout: "ready\nu" });
  });

  test("a pull that replaces a tag drops what only the old image had, after a prune", async () => {
    const image = `${registry}/replaced:1`;
    await pushImage(registry, "replaced:1", [layer([{ name: "v1", data: "1" }])], { config });
    await box.hb(["pull", "-q", image]);
    const before = layers().length;
    await pushImage(registry, "replaced:1", [layer([{ name: "v2", data: "2" }])], { config });
    await box.hb(["pull", "-q", image]);
    await box.hb(["prune"]);
    expect(layers().length).toBeLessThanOrEqual(before);
  });
});

describe("--rm=false", () => {
  test("keeps the writable layer until it is pruned, also files of subordinate ids", async () => {
    const script = "mkdir /kept && chown 1000:1000 /kept && chmod 0 /kept";
    await box.output("--rm=false", "--cidfile", box.path("cid"), busybox, "sh", "-c", script);
    expect(readdirSync(box.path("store", "containers"))).toHaveLength(1);
    await box.output(busybox, "true");
    expect(readdirSync(box.path("store", "containers"))).toHaveLength(1);
    expect((await box.hb(["prune"])).status).toBe(0);
    expect(readdirSync(box.path("store", "containers"))).toEqual([]);
  });
});

describe("hb version, help and doctor", () => {
  test("version says its number, in JSON too", async () => {
    expect((await box.hb(["version"])).stdout).toMatch(/\d+\.\d+\.\d+/);
    expect(JSON.parse((await box.hb(["version", "--format", "json"])).stdout)).toBeObject();
    expect((await box.hb(["--version"])).status).toBe(0);
  });

  test("help names every command, and each has a page of its own", async () => {
    const { status, stdout } = await box.hb(["help"]);
    expect(status).toBe(0);
    for (const command of "run pull images rmi inspect spec prune clean doctor version".split(
      " ",
    )) {
      expect(stdout).toContain(command);
      const page = await box.hb(["help", command]);
      expect(page).toMatchObject({ status: 0, stderr: "" });
      expect(page.stdout).toContain(`hb ${command}`);
    }
  });

  test("doctor says what this machine has", async () => {
    const { stdout } = await box.hb(["doctor"]);
    expect(stdout).toMatch(/user namespace|identity|ids/i);
    expect(JSON.parse((await box.hb(["doctor", "--format", "json"])).stdout)).toBeTruthy();
  });
});

box.leavesNothingBehind();
