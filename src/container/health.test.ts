import { describe, expect, test } from "bun:test";
import type { HealthFlags } from "../options/containers.ts";
import { chooseHealth } from "./health.ts";

const silent: HealthFlags = { noHealthcheck: false };
const usual = {
  intervalMs: 30_000,
  timeoutMs: 30_000,
  startPeriodMs: 0,
  startIntervalMs: 5000,
  retries: 3,
};

describe("chooseHealth()", () => {
  test("asks nothing where nobody said how", () => {
    const images = [{}, { Healthcheck: { Test: [] } }, { Healthcheck: { Test: ["NONE"] } }];
    for (const image of images) expect(chooseHealth(silent, image)).toBeUndefined();
    expect(chooseHealth({ ...silent, healthInterval: "1s" }, {})).toBeUndefined();
  });

  test("runs CMD as it is and CMD-SHELL by the image's shell", () => {
    const check = (...Test: string[]) => ({ Healthcheck: { Test } });
    expect(chooseHealth(silent, check("CMD", "/ok", "a b"))).toEqual({
      ...usual,
      args: ["/ok", "a b"],
    });
    const shell = check("CMD-SHELL", "curl -f localhost || exit 1");
    expect(chooseHealth(silent, shell)?.args).toEqual([
      "/bin/sh",
      "-c",
      "curl -f localhost || exit 1",
    ]);
    expect(chooseHealth(silent, { ...shell, Shell: ["/bin/bash", "-ec"] })?.args[0]).toBe(
      "/bin/bash",
    );
  });

  test("lets a flag replace one word of the image's, and 0 mean what is usual", () => {
    const Healthcheck = { Test: ["CMD", "/ok"], Interval: 5e9, Timeout: 15e8, Retries: 9 };
    const flags = { ...silent, healthInterval: "1m0.5s", healthRetries: "0", healthTimeout: "0" };
    expect(chooseHealth({ ...flags, healthStartPeriod: "2s" }, { Healthcheck })).toEqual({
      ...usual,
      args: ["/ok"],
      intervalMs: 60_500,
      timeoutMs: 1500,
      startPeriodMs: 2000,
      retries: 9,
    });
    const own = chooseHealth({ ...silent, healthCmd: "true" }, { Healthcheck });
    expect(own).toMatchObject({ args: ["/bin/sh", "-c", "true"], intervalMs: 5000 });
  });

  test("--no-healthcheck silences the image, and fits no other flag", () => {
    const none = { noHealthcheck: true };
    const Healthcheck = { Test: ["CMD", "/ok"] };
    expect(chooseHealth(none, { Healthcheck })).toBeUndefined();
    expect(() => chooseHealth({ ...none, healthCmd: "true" }, {})).toThrow(/--no-healthcheck/);
  });

  test("names the flag that is wrong", () => {
    for (const text of ["5", "-1s", "0.5ms", "soon"]) {
      expect(() => chooseHealth({ ...silent, healthTimeout: text }, {})).toThrow(
        /^Cannot use --health-timeout/,
      );
    }
    expect(() => chooseHealth({ ...silent, healthRetries: "-1" }, {})).toThrow(/--health-retries/);
  });
});
