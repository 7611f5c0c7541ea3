/** `--format` and `--filter` on the built hb: docker's templates over what there is. */

import { beforeAll, describe, expect, test } from "bun:test";
import { pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, registry, rootTest } from "./harness.ts";

const box = new Box();
const [old, young] = [`${registry}/format:old`, `${registry}/format:young`];

beforeAll(async () => {
  const config = { Env: ["PATH=/bin", "A=1"], Labels: { "com.example.a-b": "c", word: "x" } };
  await pushImage(registry, "format:old", [busyboxLayer()], {
    config,
    created: "2001-02-03T04:05:06Z",
  });
  await pushImage(registry, "format:young", [busyboxLayer()], {
    config: { Env: ["PATH=/bin"] },
    created: "2011-02-03T04:05:06Z",
  });
  for (const image of [old, young]) await box.hb(["pull", "-q", image]);
});

/** What hb prints, which must be all it says. */
async function output(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await box.hb(args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

describe("hb images", () => {
  test("--format prints a template for each", async () => {
    const text = await output("images", "--format", "{{.Tag}}\\t{{upper .Tag}} {{.CreatedAt}}");
    expect(text).toBe(
      "old\tOLD 2001-02-03 04:05:06 +0000 UTC\nyoung\tYOUNG 2011-02-03 04:05:06 +0000 UTC\n",
    );
  });

  test("--format 'table …' has docker's headings over aligned columns", async () => {
    const text = await output("images", "--format", "table {{.Tag}}\\t{{.CreatedSince}}\\t{{.ID}}");
    expect(text).toMatch(/^TAG {5}CREATED {8}IMAGE ID\nold {5}\d+ years ago {3}[0-9a-f]{12}\n/);
  });

  test("--digests and --no-trunc show what is else left out", async () => {
    const [heading, row] = (await output("images", "--digests", "--no-trunc")).split("\n");
    expect(heading).toMatch(/^REPOSITORY +TAG +DIGEST +IMAGE ID +CREATED +SIZE$/);
    expect(row).toMatch(/ old +sha256:[0-9a-f]{64} +sha256:[0-9a-f]{64} /);
    expect(await output("images", "-q", "--no-trunc")).toMatch(/^sha256:[0-9a-f]{64}\nsha256:/);
  });

  test.each([
    ["reference=*/format:o*", "old\n"],
    ["label=com.example.a-b=c", "old\n"],
    [`since=${old}`, "young\n"],
    [`before=${young}`, "old\n"],
    ["dangling=true", ""],
  ])("--filter %s", async (filter, tags) => {
    expect(await output("images", "-a", "--format", "{{.Tag}}", "--filter", filter)).toBe(tags);
  });

  test("a wrong template or filter is one line, and 125", async () => {
    const typo = await box.failure(125, ["images", "--format", "{{.Repositroy}}"]);
    expect(typo).toBe(
      'Cannot use --format "{{.Repositroy}}": column 3: there is no field .Repositroy; ' +
        "did you mean .Repository?",
    );
    expect(await box.failure(125, ["images", "--filter", "size=1"])).toContain("reference=PATTERN");
  });
});

describe("hb inspect", () => {
  test("-f prints a template for each image", async () => {
    const template = '{{index .Config.Labels "com.example.a-b"}} {{.Config.Labels.word}}';
    expect(await output("inspect", "-f", template, old)).toBe("c x\n");
    const variables = "{{range .Config.Env}}{{println .}}{{end}}";
    expect(await output("inspect", "--format", variables, old, young)).toBe(
      "PATH=/bin\nA=1\n\nPATH=/bin\n\n",
    );
    const absent = '{{index .Config.Labels "no"}}{{.Config.User}}{{len .Config.Cmd}}';
    expect(await output("inspect", "-f", absent, young)).toBe("0\n");
  });

  test("-f json is the array in one line", async () => {
    const text = await output("inspect", "-f", "json", old, young);
    expect(text).toMatch(/^\[\{[^\n]*\}\]\n$/);
    expect(JSON.parse(text)).toHaveLength(2);
  });

  test("a field that an image has not is one line, and 1", async () => {
    const message = await box.failure(1, ["inspect", "-f", "{{.Confg.Env}}", old]);
    expect(message).toEndWith("there is no field .Confg; did you mean .Config?");
  });
});

describe("hb network", () => {
  rootTest("ls and inspect take templates", async () => {
    await box.hb(["network", "create", "--subnet", "10.93.7.0/24", "tpl"]);
    const row = "{{.Name}} {{.Driver}} {{.Internal}}";
    expect(await output("network", "ls", "--format", row)).toContain("tpl bridge false\n");
    const subnets = "{{range .IPAM.Config}}{{.Subnet}}{{end}}";
    expect(await output("network", "inspect", "-f", subnets, "tpl")).toBe("10.93.7.0/24\n");
    await box.hb(["network", "rm", "tpl"]);
  });
});

box.leavesNothingBehind();
