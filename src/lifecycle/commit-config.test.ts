/** What of a container's flags is an image's config. */

import { expect, test } from "bun:test";
import { bareImage, type ContainerImage } from "../container/convert.ts";
import { defaultPath } from "../container/defaults.ts";
import type { ImageHealth } from "../container/health.ts";
import type { Plan } from "../container/plan.ts";
import type { CreateOptions } from "../options/containers.ts";
import { committedConfig } from "./commit-config.ts";

interface Given {
  readonly image?: Partial<ContainerImage & ImageHealth>;
  readonly options?: Partial<CreateOptions>;
  readonly env?: readonly string[];
  readonly user?: string;
  readonly volumes?: readonly string[];
  readonly health?: Plan["hb"]["life"]["health"];
}

function committed({ image, options, env = [], user = "", volumes = [], health }: Given) {
  const origin = {
    options: { command: [], publish: [], noHealthcheck: false, ...options },
    config: { ...bareImage, ...image },
  };
  const life = health === undefined ? {} : { health };
  const plan = {
    process: { env },
    hostname: "abc",
    annotations: { "org.opencontainers.image.stopSignal": "INT", a: "b" },
    hb: { origin, user, volumes, life },
  };
  // All of a plan that is looked at.
  return committedConfig(plan as unknown as Plan);
}

test("is the image's where nothing was said, and without what is this container's own", () => {
  const check = { Test: ["CMD", "true"], Retries: 2 };
  const image = { Cmd: ["a"], Entrypoint: ["e"], Env: ["X=1"], Healthcheck: check, Shell: ["z"] };
  const env = [`PATH=${defaultPath}`, "HOSTNAME=abc", "TERM=xterm", "X=1"];
  expect(committed({ image, env })).toEqual({ ...image, Labels: { a: "b" } });
  const said = { ...image, Env: [`PATH=${defaultPath}`, "TERM=screen"] };
  const kept = [`PATH=${defaultPath}`, "TERM=screen"];
  expect(committed({ image: said, env: [...kept, "HOSTNAME=abc"] }).Env).toEqual(kept);
});

test("a command takes the place of the image's, an entrypoint that of both", () => {
  const image = { Cmd: ["a"], Entrypoint: ["e"] };
  expect(committed({ image, options: { command: ["b"] } })).toMatchObject({
    Entrypoint: ["e"],
    Cmd: ["b"],
  });
  const replaced = committed({ image, options: { entrypoint: "f" } });
  expect([replaced.Entrypoint, replaced.Cmd]).toEqual([["f"], undefined]);
  const cleared = committed({ image, options: { entrypoint: "", command: ["b"] } });
  expect([cleared.Entrypoint, cleared.Cmd]).toEqual([undefined, ["b"]]);
});

test("ports and volumes are added, a user, a directory and a signal replaced", () => {
  const image = {
    ...{
      ExposedPorts: ["80/tcp"],
      Volumes: ["/a"],
      User: "x",
      WorkingDir: "/w",
      StopSignal: "INT",
    },
  };
  const options = { publish: ["8000-8001:53-54/udp"], workdir: "/v", stopSignal: "QUIT" };
  expect(committed({ image, options, user: "7", volumes: ["/b"] })).toMatchObject({
    ExposedPorts: { "80/tcp": {}, "53/udp": {}, "54/udp": {} },
    Volumes: { "/a": {}, "/b": {} },
    User: "7",
    WorkingDir: "/v",
    StopSignal: "QUIT",
  });
});

test("a health check is that of the flags, where there are any", () => {
  const image = { Healthcheck: { Test: ["CMD", "true"] } };
  expect(committed({ image, options: { noHealthcheck: true } }).Healthcheck).toEqual({
    Test: ["NONE"],
  });
  const times = { intervalMs: 1000, timeoutMs: 2000, startPeriodMs: 0, startIntervalMs: 5000 };
  const health = { args: ["/bin/sh", "-c", "x"], ...times, retries: 3 };
  expect(committed({ image, health }).Healthcheck).toEqual(image.Healthcheck);
  expect(committed({ image, health, options: { healthCmd: "x" } }).Healthcheck).toMatchObject({
    Test: ["CMD", "/bin/sh", "-c", "x"],
    Interval: 1e9,
    Retries: 3,
  });
});
