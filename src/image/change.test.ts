/** --change: what Dockerfile instructions make of a config. */

import { describe, expect, test } from "bun:test";
import { applyChanges } from "./change.ts";
import type { JsonObject } from "./json.ts";

describe("applyChanges()", () => {
  const cases: [string, JsonObject][] = [
    ['CMD ["a", "b c"]', { Cmd: ["a", "b c"] }],
    ["cmd echo $HOME", { Cmd: ["/bin/sh", "-c", "echo $HOME"] }],
    ["ENTRYPOINT [not json", { Entrypoint: ["/bin/sh", "-c", "[not json"] }],
    ['ENV A=1 B="two words" C=\\"', { Env: ["A=1", "B=two words", 'C="'] }],
    ["ENV OLD the rest of it", { Env: ["OLD=the rest of it"] }],
    ["LABEL a.b='x y'", { Labels: { "a.b": "x y" } }],
    ["EXPOSE 80 53/udp", { ExposedPorts: { "80/tcp": {}, "53/udp": {} } }],
    ['VOLUME ["/a b"]', { Volumes: { "/a b": {} } }],
    ["VOLUME /a /b", { Volumes: { "/a": {}, "/b": {} } }],
    ["USER 1000:50", { User: "1000:50" }],
    ["WORKDIR /srv", { WorkingDir: "/srv" }],
    ["STOPSIGNAL SIGQUIT", { StopSignal: "SIGQUIT" }],
  ];
  test.each(cases)("%s", (change, config) => {
    expect(applyChanges({}, [change])).toEqual(config);
  });

  test("adds to what is there, and replaces what has the same key", () => {
    const before = { Env: ["A=1", "B=2"], Labels: { a: "1" }, User: "x" };
    expect(applyChanges(before, ["ENV A=3", "LABEL b=2", "USER y"])).toEqual({
      Env: ["B=2", "A=3"],
      Labels: { a: "1", b: "2" },
      User: "y",
    });
  });

  test.each([["RUN x"], ["ENV"], ["ENV A"], ['ENV A="x'], ["EXPOSE x"], ["LABEL =x"]])(
    "refuses %s",
    (change) => {
      expect(() => applyChanges({}, [change])).toThrow(/Cannot read --change/);
    },
  );
});
