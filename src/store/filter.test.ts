import { describe, expect, test } from "bun:test";
import { HbError } from "../errors.ts";
import { digestOf } from "../image/digest.ts";
import { filterListed, type ListedImage } from "./filter.ts";

function image(reference: string, content: string, hour?: number, labels = {}): ListedImage {
  const config = digestOf(content);
  const record = {
    reference,
    platform: { os: "linux", architecture: "amd64" },
    manifest: config,
    config,
    layers: [],
    sizeBytes: 0,
    pulledAt: "",
  };
  const created = hour === undefined ? {} : { created: new Date(hour * 3_600_000) };
  return { record, labels, ...created };
}

const digest = digestOf("x");
const images = [
  image("docker.io/library/alpine:3.20", "a", 1, { tier: "base" }),
  image("docker.io/library/alpine:latest", "b", 2, { tier: "base", "com.x": "1" }),
  image("ghcr.io/org/tool:v1", "c", 3, { tier: "app" }),
  image(`ghcr.io/org/gone@${digest}`, "d", 4),
  image(`ghcr.io/org/tool@${digest}`, "c", 3, { tier: "app" }),
  image("localhost:5000/odd:1", "e"),
];

function find(text: string): ListedImage {
  const found = images.find(({ record }) => record.reference.includes(text));
  if (found === undefined) throw new HbError(`No such image: ${text}`);
  return found;
}

function chosen(...filters: string[]): string[] {
  return filterListed(images, filters, find).map(({ record }) => {
    return record.reference.replace(/^.*\//, "").replace(/@.*/, "@");
  });
}

describe("filterListed()", () => {
  const all = ["alpine:3.20", "alpine:latest", "tool:v1", "gone@", "tool@", "odd:1"];
  const cases: readonly [sentence: string, filters: string[], left: string[]][] = [
    ["without filters, everything", [], all],
    ["a name is without tag", ["reference=alpine"], ["alpine:3.20", "alpine:latest"]],
    ["a name with a tag", ["reference=alpine:3.20"], ["alpine:3.20"]],
    ["a pattern of the tag", ["reference=alpine:3*"], ["alpine:3.20"]],
    ["a star ends at a slash", ["reference=*:*"], ["alpine:3.20", "alpine:latest"]],
    ["a star for each part", ["reference=ghcr.io/*/tool"], ["tool:v1", "tool@"]],
    ["one character of several", ["reference=ghcr.io/org/[f-h]?ne"], ["gone@"]],
    ["none of several", ["reference=ghcr.io/org/[^f-h]*"], ["tool:v1", "tool@"]],
    ["a dot is a dot", ["reference=ghcrxio/org/tool"], []],
    [
      "one of two references",
      ["reference=*", "reference=ghcr.io/org/gone"],
      ["alpine:3.20", "alpine:latest", "gone@"],
    ],
    ["a label that is there", ["label=com.x"], ["alpine:latest"]],
    ["a label with its value", ["label=tier=base"], ["alpine:3.20", "alpine:latest"]],
    ["all of two labels", ["label=tier=base", "label=com.x"], ["alpine:latest"]],
    ["a label of JavaScript's", ["label=constructor"], []],
    ["before an image, the unknown time first", ["before=alpine:latest"], ["alpine:3.20", "odd:1"]],
    ["since an image", ["since=alpine:latest"], ["tool:v1", "gone@", "tool@"]],
    ["without a tag of any name", ["dangling=true"], ["gone@"]],
    ["with one", ["dangling=false"], ["alpine:3.20", "alpine:latest", "tool:v1", "tool@", "odd:1"]],
    ["several kinds, all of them", ["reference=*", "since=3.20"], ["alpine:latest"]],
  ];
  for (const [sentence, filters, left] of cases) {
    test(sentence, () => expect(chosen(...filters)).toEqual(left));
  }

  test.each([
    ["colour=red", 'there is no "colour"'],
    ["dangling", "it is not KEY=VALUE"],
    ["dangling=maybe", "it is true or false"],
    ["reference=[a", "its [ is not complete"],
    ["reference=[z-a]", "its pattern cannot be read"],
    ["before=absent", "No such image: absent"],
  ])("%s is an error that says %s", (filter, why) => {
    expect(() => chosen(filter)).toThrow(why);
  });
});
