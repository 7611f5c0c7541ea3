/** --change: what Dockerfile instructions make of a config. */

import { describe, expect, test } from "bun:test";
import { applyChanges } from "./change.ts";
import type { JsonObject } from "./json.ts";

const check = (...Test: string[]) => ({ Healthcheck: { Test } });

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
    ["HEALTHCHECK NONE", { Healthcheck: { Test: ["NONE"] } }],
    ["healthcheck cmd curl -f x || exit 1", check("CMD-SHELL", "curl -f x || exit 1")],
    [
      'HEALTHCHECK --interval=1m30s  --timeout=5s --start-period=0s --retries=2 CMD ["a", "b"]',
      {
        Healthcheck: {
          Test: ["CMD", "a", "b"],
          ...{ Interval: 90e9, Timeout: 5e9, StartPeriod: 0, Retries: 2 },
        },
      },
    ],
    [
      "HEALTHCHECK --start-interval=1ms CMD --interval=1s",
      { Healthcheck: { Test: ["CMD-SHELL", "--interval=1s"], StartInterval: 1e6 } },
    ],
    ["ONBUILD RUN make  it", { OnBuild: ["RUN make  it"] }],
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

  const refused = [
    ...["RUN x", "ENV", "ENV A", 'ENV A="x', "EXPOSE x", "LABEL =x", "ONBUILD from x"],
    ...["HEALTHCHECK", "HEALTHCHECK NONE x", "HEALTHCHECK CMD", "HEALTHCHECK --interval=1s NONE"],
    ...["--interval=1us", "--interval=x", "--retries=-1", "--interval", "--toString=1s"].map(
      (option) => `HEALTHCHECK ${option} CMD x`,
    ),
  ];
  test.each(refused)("refuses %s", (change) => {
    expect(() => applyChanges({}, [change])).toThrow(/Cannot read --change/);
  });
});
