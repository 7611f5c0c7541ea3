import { describe, expect, test } from "bun:test";
import {
  absolutePath,
  type CopySource,
  type CopyTarget,
  decideCopy,
  nameOf,
  parseCopy,
  parseCopyPath,
} from "./copy-paths.ts";

describe("parseCopyPath()", () => {
  test("tells a container's paths from those of this machine", () => {
    for (const path of ["/a:b", "./a:b", "../a:b", "a", ":a", "-", "."]) {
      expect(parseCopyPath(path)).toEqual({ path });
    }
    for (const [text, path] of [
      ["c:a", "/a"],
      ["c:/a/", "/a/"],
      ["c:/a//b/../c/.", "/a/c/."],
      ["c:/", "/"],
      ["c:.", "/."],
      ["c:../../x", "/x"],
      ["c:/a:b", "/a:b"],
    ] as const) {
      expect(parseCopyPath(text)).toEqual({ container: "c", path });
    }
    expect(() => parseCopyPath("c:")).toThrow("no path after the colon");
  });
});

describe("parseCopy()", () => {
  test("wants one side in a container", () => {
    expect(parseCopy("c:/a", "b")).toEqual({ kind: "from", container: "c", from: "/a", to: "b" });
    expect(parseCopy("-", "c:b")).toEqual({ kind: "to", container: "c", from: "-", to: "/b" });
    expect(() => parseCopy("a", "b")).toThrow("neither is in a container");
    expect(() => parseCopy("c:/a", "d:/b")).toThrow("Cannot copy between containers");
    expect(() => parseCopy("", "d:/b")).toThrow("the source is empty");
    expect(() => parseCopy("d:/b", "")).toThrow("the destination is empty");
  });
});

test("absolutePath() keeps an ending that says directory", () => {
  for (const [path, absolute] of [
    ["a", "/w/a"],
    ["a/", "/w/a/"],
    ["a/.", "/w/a/."],
    [".", "/w/."],
    ["..", "/"],
    ["/a/../b//", "/b/"],
    ["/", "/"],
    ["/.", "/."],
  ] as const) {
    expect(absolutePath(path, "/w")).toBe(absolute);
  }
});

test("nameOf() is the last part, or a dot for the content of a directory", () => {
  for (const [path, name] of [
    ["/a/b", "b"],
    ["/a/b/", "b"],
    ["/a/b/.", "."],
    ["/", "."],
    ["/.", "."],
    ["/.hidden", ".hidden"],
  ] as const) {
    expect(nameOf(path)).toBe(name);
  }
});

describe("decideCopy() follows docker's reference", () => {
  const file: CopySource = { name: "s", isDirectory: false };
  const directory: CopySource = { name: "s", isDirectory: true };
  const content: CopySource = { name: ".", isDirectory: true };
  const at = (path: string, kind: CopyTarget["kind"]): CopyTarget => ({ path, kind });

  const table: [string, CopySource, CopyTarget, string | { as: string; directory: string }][] = [
    ["file, nothing there", file, at("/d/t", "absent"), { as: "t", directory: "/d/" }],
    ["file, nothing there in /", file, at("/t", "absent"), { as: "t", directory: "/" }],
    ["file, no such directory", file, at("/d/t/", "absent"), 'no directory "/d/t/"'],
    ["file, no such directory", file, at("/d/t/.", "absent"), 'no directory "/d/t/."'],
    ["file onto a file", file, at("/d/t", "file"), { as: "t", directory: "/d/" }],
    ["file into a directory", file, at("/d/t", "directory"), { as: "s", directory: "/d/t" }],
    ["directory, nothing there", directory, at("/d/t", "absent"), { as: "t", directory: "/d/" }],
    ["the same with a slash", directory, at("/d/t/", "absent"), { as: "t", directory: "/d/" }],
    ["directory onto a file", directory, at("/d/t", "file"), "cannot be copied onto a file"],
    ["directory into one", directory, at("/d/t/", "directory"), { as: "s", directory: "/d/t/" }],
    ["content, nothing there", content, at("/d/t", "absent"), { as: "t", directory: "/d/" }],
    ["content onto a file", content, at("/d/t", "file"), "cannot be copied onto a file"],
    ["content into a directory", content, at("/", "directory"), { as: ".", directory: "/" }],
  ];
  for (const [name, source, target, outcome] of table) {
    test(`${name}: ${target.path}`, () => {
      if (typeof outcome === "string") expect(() => decideCopy(source, target)).toThrow(outcome);
      else expect(decideCopy(source, target)).toEqual(outcome);
    });
  }
});
