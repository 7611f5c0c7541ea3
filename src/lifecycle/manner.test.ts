/** What flags say of a container's life, and what is taken down of who made it. */

import { describe, expect, test } from "bun:test";
import type { HostFacts } from "../container/facts.ts";
import { parseRestart } from "../container/life.ts";
import { factsFor, frozen, type Origin } from "../container/origin.ts";
import { inventName } from "./invent.ts";
import { attachedStreams, outlives } from "./manner.ts";
import { parseCondition } from "./wait.ts";

describe("outlives()", () => {
  const cases: [Parameters<typeof outlives>[0], boolean, boolean][] = [
    [{}, false, false],
    [{}, true, true],
    [{ rm: true }, true, false],
    [{ rm: false }, false, true],
    [{ restart: "on-failure:3" }, false, true],
    [{ restart: "no", rm: true }, true, false],
  ];
  for (const [flags, detached, kept] of cases) {
    test(`${JSON.stringify(flags)} ${detached ? "detached" : "in front"}: ${kept}`, () => {
      expect(outlives(flags, detached)).toBe(kept);
    });
  }

  test("refuses to start again what is removed", () => {
    expect(() => outlives({ rm: true, restart: "always" }, true)).toThrow("Conflicting options");
  });
});

test("parseRestart() reads docker's policies and nothing else", () => {
  expect(parseRestart("no")).toBeUndefined();
  expect(parseRestart("on-failure")).toEqual({ policy: "on-failure", maximumRetryCount: 0 });
  expect(parseRestart("on-failure:5")?.maximumRetryCount).toBe(5);
  expect(parseRestart("unless-stopped")?.policy).toBe("unless-stopped");
  for (const text of ["always:3", "on-failure:-1", "on-failure:", "sometimes"]) {
    expect(() => parseRestart(text)).toThrow(`--restart "${text}"`);
  }
});

test("attachedStreams() takes the three streams, in front only", () => {
  const options = (attach: string[], detach = false) => ({ attach, detach });
  expect(attachedStreams(options([]))).toBeUndefined();
  expect(attachedStreams(options(["STDOUT", "stdin"]))).toEqual(["stdout", "stdin"]);
  expect(() => attachedStreams(options(["out"]))).toThrow("no such stream");
  expect(() => attachedStreams(options(["stdout"], true))).toThrow("-a and -d");
});

test("parseCondition() offers the nearest word", () => {
  expect(parseCondition(undefined)).toBe("not-running");
  expect(() => parseCondition("helthy")).toThrow(/--condition "helthy"/);
});

test("inventName() gives every try another name", () => {
  const id = "0123456789abcdef".repeat(4);
  const names = Array.from({ length: 100 }, (_, tries) => inventName(id, tries));
  expect(new Set(names).size).toBe(100);
  for (const name of names) expect(name).toMatch(/^[a-z]+_[a-z]+\d*$/);
});

test("frozen() takes the caller's words down, and factsFor() the caller away", () => {
  const variables: Record<string, string> = { CALLER: "then", http_proxy: "http://proxy" };
  const facts = {
    kernel: "6.1",
    workingDirectory: "/then",
    variable: (name: string) => variables[name],
    readText: (path: string) => (path === "labels" ? "a=1\n" : "FILE=then\nCALLER\n"),
  } as unknown as HostFacts;
  const options = {
    env: ["CALLER", "ABSENT", "X=1"],
    envFile: ["env"],
    httpProxy: true,
    label: ["b=2"],
    labelFile: ["labels"],
    securityOpt: ["seccomp=profile.json", "seccomp=unconfined", "no-new-privileges"],
    volume: ["./data:/data"],
  } as unknown as Origin["options"];
  const origin = frozen({ options } as Origin, facts);
  expect(origin.options).toMatchObject({
    env: ["http_proxy=http://proxy", "FILE=then", "CALLER=then", "CALLER=then", "ABSENT", "X=1"],
    envFile: [],
    httpProxy: false,
    label: ["a=1", "b=2"],
    labelFile: [],
    securityOpt: ["seccomp=/then/profile.json", "seccomp=unconfined", "no-new-privileges"],
    volume: ["./data:/data"],
  });
  const later = { ...facts, workingDirectory: "/now", variable: () => "now" } as HostFacts;
  const seen = factsFor(origin, later);
  expect([seen.workingDirectory, seen.variable("ABSENT"), seen.kernel]).toEqual([
    "/then",
    undefined,
    "6.1",
  ]);
});
