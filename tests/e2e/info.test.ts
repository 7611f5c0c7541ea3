/** hb info and hb version: what scripts ask docker and podman for. */

import { describe, expect, test } from "bun:test";
import { cpus, release } from "node:os";
import { Box, busybox, isRoot, registry } from "./harness.ts";

const box = new Box();

async function format(command: string, template: string): Promise<string> {
  const { status, stdout, stderr } = await box.hb([command, "--format", template]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.trimEnd();
}

describe("hb info", () => {
  test("makes no store where there is none", async () => {
    const env = { HB_ROOT: box.path("none") };
    const { status, stdout } = await box.hb(["info"], { env });
    expect(status).toBe(0);
    expect(stdout).toContain(`Store: ${box.path("none")} (overlay)\nImages: 0\nContainers: 0\n`);
    expect((await box.command(["ls", box.path("none")])).status).not.toBe(0);
  });

  test("counts images by their ids, and containers by what they do", async () => {
    await box.hb(["pull", "-q", busybox]);
    await box.hb(["tag", busybox, "another:1"]);
    const flags = ["--network", "none"];
    await box.hb(["run", "-d", "--name", "up", ...flags, busybox, "sleep", "1000"]);
    await box.hb(["create", "--name", "made", ...flags, busybox, "true"]);
    const counts = "{{.Images}} {{.Containers}} {{.ContainersRunning}} {{.ContainersStopped}}";
    expect(await format("info", counts)).toBe("1 2 1 1");
    await box.hb(["rm", "-f", "up", "made"]);
    expect(await format("info", counts)).toBe("1 0 0 0");
  });

  test("has docker's fields, and those that podman is asked for", async () => {
    const machine = "{{.NCPU}} {{.OSType}} {{.KernelVersion}} {{.DockerRootDir}}";
    expect(await format("info", machine)).toBe(`${cpus().length} linux ${release()} ${box.store}`);
    const rootless = isRoot ? "false" : "true";
    expect(await format("info", "{{.Host.Security.Rootless}}")).toBe(rootless);
    const options = await format("info", "{{json .SecurityOptions}}");
    expect(JSON.parse(options).includes("name=rootless")).toBe(!isRoot);
    expect(Number(await format("info", "{{.MemTotal}}"))).toBeGreaterThan(1 << 27);
    expect(JSON.parse(await format("info", "json")).Store.GraphRoot).toBe(box.store);
  });

  test("shows additional stores", async () => {
    await box.hb(["pull", "-q", busybox]);
    const env = { HB_ROOT: box.path("own"), HB_ADDITIONAL_STORES: box.store };
    const { stdout } = await box.hb(["info"], { env });
    expect(stdout).toContain(`Store: ${box.path("own")} (overlay)\n Besides: ${box.store}\n`);
  });

  test("shows mirrors", async () => {
    const env = { HB_MIRRORS: `docker.io=${registry},ghcr.io=${registry}/ghcr` };
    const { stdout } = await box.hb(["system", "info"], { env });
    expect(stdout).toContain(`mirrors:\n docker.io: ${registry}\n ghcr.io: ${registry}/ghcr\n`);
  });
});

test("hb version answers for client and server", async () => {
  const version = await format("version", "{{.Version}}");
  expect(version).toMatch(/^\d+\.\d+\.\d+/);
  expect(await format("version", "{{.Server.Version}}")).toBe(version);
  expect(await format("version", "{{.Client.Version}} {{.Server.Os}}")).toBe(`${version} linux`);
  expect(await box.failure(1, ["version", "--format", "{{.Nothing}}"])).toContain(".Nothing");
});

box.leavesNothingBehind();
