/** `hb spec`: the bundle that hb runs is one that other runtimes run alike. */

import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, busybox, isRoot, registry, testWith } from "./harness.ts";

const box = new Box();
const kind = isRoot ? "root" : "rootless";
const probe = process.env.HB_TEST_PROBE ?? "";
const image = `${registry}/probe:1`;
/** What may differ: ids of this user and names that are random. */
const recorded = join(import.meta.dir, `../probe/expected-${kind}.txt`);

beforeAll(async () => {
  const entries = [{ name: "bin/probe", mode: 0o755, data: new Uint8Array(readFileSync(probe)) }];
  const config = { Env: ["PATH=/bin"], Cmd: ["/bin/probe"] };
  await pushImage(registry, "probe:1", [busyboxLayer(), layer(entries)], { config });
});

/** Runs a bundle by another runtime. */
async function runBundle(runtime: string, bundle: string) {
  const state = box.path(`${runtime}-state`);
  const argv = [runtime, "--root", state, "run", "--bundle", bundle, `hb-test-${process.pid}`];
  const run = await box.command(argv, { env: { XDG_RUNTIME_DIR: box.path("tmp") } });
  await box.command(["rm", "-rf", state]);
  return run;
}

describe("hb spec", () => {
  test("writes a bundle: config.json of the runtime-spec, and rootfs", async () => {
    const bundle = box.path("bundle");
    expect(await box.hb(["spec", "-q", busybox, bundle, "echo", "hi"])).toMatchObject({
      status: 0,
    });
    const config = JSON.parse(readFileSync(`${bundle}/config.json`, "utf8"));
    expect(config.ociVersion).toMatch(/^1\./);
    expect(config.process.args).toEqual(["echo", "hi"]);
    expect(existsSync(`${bundle}/rootfs`) || existsSync(config.root.path)).toBe(true);
  });

  test("refuses a directory that has a bundle already, in one line", async () => {
    const message = await box.failure(1, ["spec", "-q", busybox, box.path("bundle")]);
    expect(message).toContain("bundle");
  });

  for (const runtime of ["crun", "runc"]) {
    testWith(runtime)(`the probe sees the same under ${runtime} as under hb`, async () => {
      const bundle = box.path(`${runtime}-bundle`);
      expect(await box.hb(["spec", "-q", image, bundle])).toMatchObject({ status: 0 });
      const theirs = await runBundle(runtime, bundle);
      const ours = await box.hb(["run", "-q", "--network", "host", image]);
      expect(theirs).toMatchObject({ status: ours.status, stderr: "" });
      expect(theirs.stdout).toBe(ours.stdout);
    });
  }

  test(`the probe sees what was recorded and reviewed for ${kind}`, async () => {
    const { stdout } = await box.hb(["run", "-q", image]);
    if (process.env.HB_TEST_RECORD === "1") writeFileSync(recorded, stdout);
    expect(stdout).toBe(readFileSync(recorded, "utf8"));
  });
});

box.leavesNothingBehind();
