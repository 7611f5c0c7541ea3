/** hb push: what a registry gets, what it is not sent again, and who can pull it. */

import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, registry, testWith } from "./harness.ts";

const box = new Box();
const config = { Env: ["PATH=/bin"], Cmd: ["cat", "/hello"] };
const source = `${registry}/push-source:1`;
/** A second store, as of another machine. */
const there = { HB_ROOT: box.path("there") };

async function manifestOf(repository: string, tag = "1"): Promise<Response> {
  const accept = "application/vnd.oci.image.manifest.v1+json";
  return await fetch(`http://${registry}/v2/${repository}/manifests/${tag}`, {
    headers: { accept },
  });
}

describe("hb push", () => {
  test("mounts what the registry has: not a byte changes, nor the digest", async () => {
    const own = layer([{ name: "hello", data: "hello\n" }]);
    const { digest } = await pushImage(registry, "push-source:1", [busyboxLayer(), own], {
      config,
    });
    await box.hb(["pull", "-q", source]);
    const pushed = await box.hb(["push", source, `${registry}/push-copy:2`]);
    expect(pushed).toMatchObject({ status: 0 });
    expect(pushed.stdout).toMatch(new RegExp(`^2: digest: ${digest} size: \\d+\\n$`));
    expect(pushed.stderr.match(/Mounted/g)?.length).toBe(2);
    const [before, after] = [await manifestOf("push-source"), await manifestOf("push-copy", "2")];
    expect(await after.text()).toBe(await before.text());
  });

  test("says what is there already", async () => {
    const again = await box.hb(["push", source, `${registry}/push-copy:3`]);
    expect(again.stderr.match(/Already exists/g)?.length).toBe(2);
  });

  test.each([["gzip"], ["zstd"], ["none"]] as const)(
    "writes layers (%s) a registry does not have again, and the image keeps its id",
    async (compression) => {
      const name = `push-${compression}`;
      const own = layer([{ name: "hello", data: `${compression}\n`.repeat(9000) }], compression);
      await pushImage(registry, `${name}:1`, [busyboxLayer(), own], { config });
      await box.hb(["pull", "-q", `${registry}/${name}:1`]);
      await box.hb(["save", "-o", box.path("x.tar"), `${registry}/${name}:1`]);
      // By another name nothing says where the registry could mount it from.
      await box.hb(["tag", `${registry}/${name}:1`, `elsewhere.test/${name}:1`]);
      await box.hb(["rmi", `${registry}/${name}:1`]);
      const target = `${registry}/other/${name}:1`;
      const pushed = await box.hb(["push", "-q", `elsewhere.test/${name}:1`, target]);
      expect(pushed).toMatchObject({ status: 0, stderr: "" });
      const { stdout } = await box.hb(["run", "-q", target], { env: there });
      expect(stdout).toBe(`${compression}\n`.repeat(9000));
      const ids = [
        await box.hb(["images", "-q", "--no-trunc", `elsewhere.test/${name}`]),
        await box.hb(["images", "-q", "--no-trunc", target], { env: there }),
      ];
      expect(ids[1]?.stdout).toBe(ids[0]?.stdout ?? "");
      const { layers } = (await (await manifestOf(`other/${name}`)).json()) as {
        readonly layers: readonly { readonly mediaType: string }[];
      };
      const expected = compression === "none" ? "gzip" : compression;
      expect(layers[1]?.mediaType).toEndWith(`tar+${expected}`);
      // The same bytes come out every time.
      const again = await box.hb(["push", "-q", `elsewhere.test/${name}:1`, `${target}-again`]);
      expect(again.stdout).toBe(pushed.stdout);
    },
  );

  test("takes every tag of a repository with --all-tags", async () => {
    const target = `${registry}/push-tags`;
    for (const tag of ["a", "b"]) await box.hb(["tag", source, `${target}:${tag}`]);
    const { status, stdout } = await box.hb(["push", "-q", "--all-tags", target]);
    expect({ status, lines: stdout.trim().split("\n").length }).toEqual({ status: 0, lines: 2 });
    const list = await fetch(`http://${registry}/v2/push-tags/tags/list`);
    const { tags } = (await list.json()) as { readonly tags: string[] };
    expect(tags.sort()).toEqual(["a", "b"]);
  });

  test("of what is not there, or to where nobody listens, is one line and 1", async () => {
    expect(await box.failure(1, ["push", "absent:1"])).toContain("absent:1");
    expect(await box.failure(1, ["push", "-q", source, "127.0.0.1:9/x:1"])).toContain(
      "127.0.0.1:9",
    );
    const digest = `${registry}/x@sha256:${"0".repeat(64)}`;
    expect(await box.failure(1, ["push", source, digest])).toContain("digest");
  });
});

testWith("skopeo")("skopeo copies what hb has pushed, checking every digest", async () => {
  for (const name of ["push-copy:2", "other/push-gzip:1", "other/push-zstd:1"]) {
    const from = `docker://${registry}/${name}`;
    const to = `dir:${box.path(name.replaceAll(/\W/g, "-"))}`;
    const flags = ["--insecure-policy", "--tmpdir", box.path("tmp")];
    writeFileSync(box.path("auth.json"), "{}");
    const auth = { REGISTRY_AUTH_FILE: box.path("auth.json") };
    const options = { env: { HOME: box.path("skopeo"), ...auth } };
    const argv = ["skopeo", ...flags, "copy", "-q", "--src-tls-verify=false", from, to];
    expect(await box.command(argv, options)).toMatchObject({ status: 0 });
  }
});

test("the other store can be taken away", async () => {
  expect((await box.hb(["clean", "--all"], { env: there })).status).toBe(0);
});

box.leavesNothingBehind();
