/** Pulls from a registry that misbehaves: hb recovers, or fails in one line, traceless (H-23). */

import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Box, busybox, registry } from "./harness.ts";

const box = new Box();

/** Runs `use` against a registry with this fault, which ends with it. */
async function withFault<T>(fault: string, use: (image: string) => Promise<T>): Promise<T> {
  const main = join(import.meta.dir, "../registry/main.ts");
  const server = Bun.spawn([process.execPath, main, "--fault", fault], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  try {
    const reader = server.stdout.getReader();
    const port = new TextDecoder().decode((await reader.read()).value).trim();
    return await use(`127.0.0.1:${port}/test/image:latest`);
  } finally {
    await server.stdin.end();
    await server.exited;
  }
}

describe("recovers from", () => {
  test.concurrent.each([
    "token-required",
    "access-token",
    "short-lived-token",
    "drop-once",
    "drop-thrice",
    "drop-no-range",
    "drop-manifest",
    "hang-up-once",
    "rate-limit-once",
    "error-twice",
    "no-content-length",
    "untyped",
    "no-head",
    "content-encoding",
    "redirect-elsewhere",
  ])("%s", async (fault) => {
    const env = { HB_ROOT: box.path(fault) };
    const pull = await withFault(fault, (image) => box.hb(["pull", "-q", image], { env }));
    expect(pull).toMatchObject({ status: 0, stdout: expect.stringMatching(/^sha256:/) });
    expect(readdirSync(box.path(fault, "tmp"))).toEqual([]);
  });
});

describe("says in one line, and leaves nothing after", () => {
  test.concurrent.each([
    ["drop-always", /image|layer/i],
    ["no-token", /token/i],
    ["bad-token", /token/i],
    ["token-denied", /denied|401|403|unauthorized|token/i],
    ["auth-loop", /unauthorized|401|denied|token/i],
    ["basic-only", /unauthorized|401|basic|credentials/i],
    ["insecure-realm", /token endpoint/i],
    ["wrong-digest", /digest|corrupt/i],
    ["wrong-config", /digest/i],
    ["wrong-manifest", /digest/i],
    ["too-long", /size|long|bytes|digest/i],
    ["truncated", /size|short|bytes|digest/i],
    ["missing-blob", /404|unknown|not found/i],
    ["rate-limit-hours", /429|rate|many/i],
    ["error-always", /503/],
    ["denied", /403|denied/i],
    ["endless-error", /404|not found|unknown/i],
    ["redirect-loop", /redirect/i],
    ["redirect-nowhere", /redirect|file:/i],
    ["large-manifest", /large|size|bytes|MiB/i],
    ["index-loop", /index/i],
    ["web-page", /web page/i],
    ["not-json", /json/i],
    ["schema-1", /schema/i],
    ["path-digest", /digest/i],
    ["wrong-diff-id", /diffID/i],
    ["other-platform", /platform|linux/i],
  ])("%s", async (fault, words) => {
    const env = { HB_ROOT: box.path(fault) };
    const pull = (image: string) => box.failure(1, ["pull", "-q", image], { env });
    expect(await withFault(fault, pull)).toMatch(words);
    expect(readdirSync(box.path(fault, "tmp"))).toEqual([]);
    expect(readdirSync(box.path(fault, "layers"))).toEqual([]);
    expect(await box.hb(["images", "-q"], { env })).toMatchObject({ status: 0, stdout: "" });
  });
});

describe("registries that are not there", () => {
  test("a port where nobody listens", async () => {
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: () => undefined },
    });
    const { port } = server;
    server.stop(true);
    const message = await box.failure(1, ["pull", `127.0.0.1:${port}/x`]);
    expect(message).toContain(`127.0.0.1:${port}`);
  });

  test("a name that does not resolve", async () => {
    const message = await box.failure(1, ["pull", "registry.invalid/x/y"]);
    expect(message).toContain("registry.invalid");
  });

  test("an image and a tag that are not there, by their names", async () => {
    expect(await box.failure(1, ["pull", `${registry}/absent`])).toContain("absent");
    expect(await box.failure(1, ["pull", `${registry}/busybox:9`])).toContain("busybox:9");
    expect(await box.failure(125, ["run", `${registry}/busybox:9`, "true"])).toContain("busybox:9");
  });

  test("a server that speaks no TLS where TLS is due", async () => {
    const port = registry.split(":")[1];
    const message = await box.failure(1, ["pull", `vm.invalid:${port}/busybox:1`]);
    expect(message).toContain("vm.invalid");
    expect((await box.hb(["pull", "-q", "--tls-verify=false", busybox])).status).toBe(0);
  });
});

describe("--timeout", () => {
  test.each(["silent", "stall-always", "rate-limit-always"])(
    "ends a pull from a registry that is %s",
    async (fault) => {
      const env = { HB_ROOT: box.path(`timeout-${fault}`) };
      const args = ["pull", "--timeout", "600ms"];
      const line = await withFault(fault, (image) => box.failure(1, [...args, image], { env }));
      expect(line).toMatch(/^Cannot pull: it took longer than 0\.6 s \(--timeout\); layers/);
      expect(readdirSync(box.path(`timeout-${fault}`, "tmp"))).toEqual([]);
    },
  );

  test.each(["0", "-1s", "soon", "1d"])("%s is refused", async (text) => {
    const line = await box.failure(1, ["pull", `--timeout=${text}`, busybox]);
    expect(line).toContain(`--timeout "${text}"`);
  });
});

box.leavesNothingBehind();
