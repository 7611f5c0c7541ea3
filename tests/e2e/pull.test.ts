/** `hb pull`: references, media types, platforms, and pulls side by side; from a real registry. */

import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import {
  type Compression,
  hostArchitecture,
  type Layer,
  layer,
  pushImage,
  pushIndex,
} from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, busybox, hbBinary, registry } from "./harness.ts";

const box = new Box();
const config = { Env: ["PATH=/bin"] };

function ref(name: string): string {
  return `${registry}/${name}`;
}

/** A layer of one file, `/NAME` with its name as content. */
function marked(name: string, compression: Compression = "gzip"): Layer {
  return layer([{ name, data: name }], compression);
}

describe("what is pulled", () => {
  test("-q prints the digest and nothing else; a second pull finds all there", async () => {
    const first = await box.hb(["pull", "-q", busybox]);
    expect(first).toMatchObject({ status: 0, stderr: "" });
    expect(first.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(await box.hb(["pull", "-q", busybox])).toEqual(first);
  });

  test("a pipe gets plain lines without control characters", async () => {
    await pushImage(registry, "lines:1", [marked("a"), marked("b")], { config });
    const { status, stdout, stderr } = await box.hb(["pull", ref("lines:1")]);
    expect(status).toBe(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are the subject
    expect(stdout + stderr).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
    expect((stdout + stderr).split("\n").length).toBeGreaterThan(2);
  });

  test.each(["gzip", "gzip-members", "zstd", "none"] as const)(
    "%s layers (H-5)",
    async (compression) => {
      const files = ["one", "two", "three"].map((name) => ({
        name: `${compression}-${name}`,
        data: name,
      }));
      const name = `compression-${compression}:1`;
      await pushImage(registry, name, [busyboxLayer(), layer(files, compression)], { config });
      const paths = files.map((file) => `/${file.name}`);
      expect(await box.output(ref(name), "cat", ...paths)).toBe("onetwothree");
    },
  );

  test("docker's schema 2 media types", async () => {
    await pushImage(registry, "schema2:1", [busyboxLayer(), marked("d")], { config, docker: true });
    expect(await box.output(ref("schema2:1"), "cat", "/d")).toBe("d");
  });

  test("the same layer twice (H-3), an empty layer, and no layer at all", async () => {
    const empty = layer([]);
    const twice = [busyboxLayer(), empty, marked("x"), empty, marked("x")];
    await pushImage(registry, "twice:1", twice, { config });
    expect(await box.output(ref("twice:1"), "cat", "/x")).toBe("x");
    await pushImage(registry, "nothing:1", [], { config });
    expect((await box.hb(["pull", "-q", ref("nothing:1")])).status).toBe(0);
    expect(await box.failure(127, ["run", ref("nothing:1"), "sh"])).toContain("sh");
  });

  test("a hundred layers (H-4)", async () => {
    const layers = Array.from({ length: 99 }, (_, n) => marked(`n${n}`));
    await pushImage(registry, "hundred:1", [busyboxLayer(), ...layers], { config });
    expect(await box.output(ref("hundred:1"), "sh", "-c", "cat /n0 /n98; ls / | grep -c ^n")).toBe(
      "n0n9899",
    );
  });
});

describe("references", () => {
  test("by digest, and by tag and digest", async () => {
    const { digest } = await pushImage(registry, "by-digest:1", [busyboxLayer()], { config });
    expect(await box.output(`${registry}/by-digest@${digest}`, "echo", "a")).toBe("a");
    expect(await box.output(`${registry}/by-digest:1@${digest}`, "echo", "b")).toBe("b");
  });

  test("a digest that the registry does not have is one line", async () => {
    const digest = `sha256:${"0".repeat(64)}`;
    const message = await box.failure(1, ["pull", `${registry}/busybox@${digest}`]);
    expect(message).toContain(digest.slice(0, 19));
  });

  test.each([
    ["UPPER", "UPPER"],
    ["a//b", "a//b"],
    ["name:bad tag", "bad tag"],
    ["name@sha256:short", "sha256:short"],
    ["-x", "-x"],
    ["", "empty"],
  ])("%j is refused with the part that is wrong", async (reference, part) => {
    const { status, stderr } = await box.hb(["pull", "--", reference]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^hb: [^\n]+\n$/);
    expect(stderr).toContain(part);
  });
});

describe("platforms", () => {
  test("an index: this platform, no attestation, a variant on request (H-8)", async () => {
    const other = hostArchitecture === "amd64" ? "arm64" : "amd64";
    const manifest = async (architecture: string, variant?: string) => {
      const name = `${architecture}${variant ?? ""}`;
      const options = { config, architecture, ...(variant === undefined ? {} : { variant }) };
      const pushed = await pushImage(
        registry,
        `multi:${name}`,
        [busyboxLayer(), marked(name)],
        options,
      );
      return {
        ...pushed,
        platform: { os: "linux", architecture, ...(variant ? { variant } : {}) },
      };
    };
    const unknown = { os: "unknown", architecture: "unknown" };
    const annotations = { "vnd.docker.reference.type": "attestation-manifest" };
    const attestation = { ...(await manifest("mips")), platform: unknown, annotations };
    const arms = [await manifest("arm", "v6"), await manifest("arm", "v7")];
    const all = [attestation, await manifest(other), ...arms, await manifest(hostArchitecture)];
    await pushIndex(registry, "multi:1", all);
    expect(await box.output(ref("multi:1"), "cat", `/${hostArchitecture}`)).toBe(hostArchitecture);
    for (const [platform, name] of [
      ["linux/arm/v6", "armv6"],
      [`linux/${other}`, other],
    ]) {
      const pulled = await box.hb(["pull", "-q", "--platform", platform ?? "", ref("multi:1")]);
      expect(pulled.status).toBe(0);
      const inspected = await box.hb(["inspect", "--platform", platform ?? "", ref("multi:1")]);
      expect(inspected.stdout).toContain((name ?? "").replace("v6", ""));
    }
  });

  test("a platform that the image lacks is one line with those it has", async () => {
    const message = await box.failure(1, ["pull", "--platform", "linux/s390x", ref("multi:1")]);
    expect(message).toContain("s390x");
    expect(message).toContain(hostArchitecture);
  });

  test("a platform that is none is refused", async () => {
    expect(await box.failure(1, ["pull", "--platform", "linux/x y", busybox])).toContain("x y");
  });
});

describe("several pulls at once", () => {
  test("of one image cooperate, and the image is there once (H-20)", async () => {
    const big = layer([{ name: "big", data: crypto.getRandomValues(new Uint8Array(65_536)) }]);
    await pushImage(registry, "race:1", [busyboxLayer(), big, marked("r")], { config });
    const other = new Box();
    const pulls = Array.from({ length: 4 }, () => other.hb(["pull", "-q", ref("race:1")]));
    const results = await Promise.all(pulls);
    expect(new Set(results.map(({ status, stdout }) => `${status} ${stdout}`)).size).toBe(1);
    expect(results[0]).toMatchObject({ status: 0, stderr: "" });
    expect(await other.output(ref("race:1"), "cat", "/r")).toBe("r");
    expect(readdirSync(other.path("store", "layers"))).toHaveLength(3);
    expect(readdirSync(other.path("store", "tmp"))).toEqual([]);
    await other.hb(["clean", "--all"]);
    await other.command(["rm", "-rf", other.folder]);
  });

  test("Ctrl-C ends one with 130 and leaves nothing half done", async () => {
    const data = crypto.getRandomValues(new Uint8Array(65_536));
    const files = Array.from({ length: 400 }, (_, n) => ({ name: `f${n}`, data }));
    await pushImage(registry, "slow:1", [layer(files, "zstd")], { config });
    const { HB_ROOT = "" } = box.env();
    // The staging folder's appearance is the moment to interrupt.
    const script = `'${hbBinary}' pull -q ${ref("slow:1")} & pid=$!
      while [ -d /proc/$pid ] && ! ls "$1"/tmp/* >/dev/null 2>&1; do :; done
      kill -INT $pid; wait $pid; echo $?`;
    // A shell starts background jobs with SIGINT ignored; monitor mode does not.
    const { stdout } = await box.command(["bash", "-mc", script, "bash", HB_ROOT]);
    expect(stdout.trim()).toMatch(/^(130|sha256:\S+\s+0)$/);
    expect(readdirSync(box.path("store", "tmp"))).toEqual([]);
  });
});

describe("--pull", () => {
  test("never, missing and always do what they say", async () => {
    const image = ref("policy:1");
    await pushImage(registry, "policy:1", [busyboxLayer(), marked("old")], { config });
    expect(await box.failure(125, ["run", "--pull", "never", image, "true"])).toContain("policy");
    expect(await box.output(image, "ls", "/old")).toBe("/old");
    await pushImage(registry, "policy:1", [busyboxLayer(), marked("new")], { config });
    expect(await box.output("--pull", "missing", image, "ls", "/old")).toBe("/old");
    expect(await box.output("--pull", "always", image, "ls", "/new")).toBe("/new");
    expect(await box.output("--pull", "never", image, "ls", "/new")).toBe("/new");
  });
});

box.leavesNothingBehind();
