/** Images through mirrors and rewritten names; from two real registries. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { type Registry, startRegistry } from "../setup/registry.ts";
import { Box, registry } from "./harness.ts";

const box = new Box();
const config = { Env: ["PATH=/bin"] };
let mirror: Registry;

/** An image that says where it is from. */
async function push(host: string, name: string, from: string): Promise<void> {
  const layers = [busyboxLayer(), layer([{ name: "from", data: from }])];
  await pushImage(host, name, layers, { config });
}

beforeAll(async () => {
  mirror = await startRegistry(box.folder);
  await push(mirror.host, "library/mirrored:1", "mirror");
  await push(mirror.host, "mirror/both:1", "mirror");
  await push(registry, "mirror/both:1", "origin");
  await push(registry, "mirror/origin-only:1", "origin");
});

afterAll(() => mirror.stop());

/** Where the image that `name` leads to is from. */
async function source(name: string, env: Readonly<Record<string, string>>) {
  const args = ["run", "-q", "--pull", "always", name, "cat", "/from"];
  const { status, stdout, stderr } = await box.hb(args, { env });
  return { status, from: stdout, stderr };
}

/** Runs `body` with this as the user's registries.conf. */
async function withConf<T>(text: string, body: () => Promise<T>): Promise<T> {
  const folder = box.path("home", ".config");
  mkdirSync(`${folder}/containers`, { recursive: true });
  writeFileSync(`${folder}/containers/registries.conf`, text);
  try {
    return await body();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("HB_MIRRORS", () => {
  test("Docker Hub's images come from its mirror and keep their name", async () => {
    const env = { HB_MIRRORS: `docker.io=${mirror.host}` };
    expect(await source("mirrored:1", env)).toEqual({ status: 0, from: "mirror", stderr: "" });
    expect((await box.hb(["images"])).stdout).toContain("mirrored");
    expect((await box.hb(["images"])).stdout).not.toContain(mirror.host);
  });

  test("what the mirror lacks comes from the origin, without a word", async () => {
    const env = { HB_MIRRORS: `${registry}=${mirror.host}` };
    const both = await source(`${registry}/mirror/both:1`, env);
    expect(both).toEqual({ status: 0, from: "mirror", stderr: "" });
    const one = await source(`${registry}/mirror/origin-only:1`, env);
    expect(one).toEqual({ status: 0, from: "origin", stderr: "" });
  });

  test("a mirror that is not there is told about once", async () => {
    const env = { HB_MIRRORS: `${registry}=127.0.0.1:1` };
    const { status, from, stderr } = await source(`${registry}/mirror/both:1`, env);
    expect({ status, from }).toEqual({ status: 0, from: "origin" });
    expect(stderr).toMatch(/^hb: notice: mirror 127\.0\.0\.1:1 failed \([^)]+\): [^\n]+\n$/);
  });

  test("that says nothing is one line", async () => {
    const env = { HB_MIRRORS: "mirror.example" };
    expect(await box.failure(1, ["pull", "x"], { env })).toContain("HB_MIRRORS");
  });
});

test.each(["wrong-digest", "truncated", "drop-always"])(
  "a mirror under %s is replaced by the origin in the middle of the pull",
  async (fault) => {
    const main = `${import.meta.dir}/../registry/main.ts`;
    const start = (...args: string[]) =>
      Bun.spawn([process.execPath, main, ...args], { stdin: "pipe", stdout: "pipe" });
    const servers = [start(), start("--fault", fault)];
    const [origin, bad] = await Promise.all(
      servers.map(async ({ stdout }) => {
        const { value } = await stdout.getReader().read();
        return `127.0.0.1:${new TextDecoder().decode(value).trim()}`;
      }),
    );
    const env = { HB_MIRRORS: `${origin}=${bad}`, HB_ROOT: box.path(fault) };
    const { status, stderr } = await box.hb(["pull", "-q", `${origin}/test/image:latest`], { env });
    for (const server of servers) {
      await server.stdin.end();
      await server.exited;
    }
    expect(status).toBe(0);
    expect(stderr).toMatch(/^hb: notice: mirror [^\n]+ failed [^\n]+\n$/);
  },
);

describe("registries.conf", () => {
  test("a prefix is rewritten to its location, and asked of its mirrors first", async () => {
    const conf = `
      [[registry]]
      prefix = "apps.example/team"
      location = "${registry}/mirror"
      [[registry.mirror]]
      location = "${mirror.host}/mirror"
    `;
    await withConf(conf, async () => {
      const both = await source("apps.example/team/both:1", {});
      expect(both).toEqual({ status: 0, from: "mirror", stderr: "" });
      const one = await source("apps.example/team/origin-only:1", {});
      expect(one).toEqual({ status: 0, from: "origin", stderr: "" });
    });
  });

  test("what is blocked is refused with the file that says so", async () => {
    const conf = `[[registry]]\nlocation = "${registry}/mirror"\nblocked = true\n`;
    await withConf(conf, async () => {
      const line = await box.failure(1, ["pull", `${registry}/mirror/both:1`]);
      expect(line).toContain("it is blocked");
      expect(line).toContain(box.path("home", ".config/containers/registries.conf"));
    });
  });

  test("a file that cannot be read as it should is one line with its name", async () => {
    await withConf("registry = 1", async () => {
      const line = await box.failure(1, ["pull", `${registry}/mirror/both:1`]);
      expect(line).toContain("registries.conf: write [[registry]]");
    });
  });
});

box.leavesNothingBehind();
