/** Signals, init, and what happens when hb itself is killed. */

import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, busybox, registry } from "./harness.ts";

const box = new Box();

/** A payload that says which signal it got: `wait` is what a trap interrupts at once. */
const reporter = (names: string) =>
  `for s in ${names}; do trap "echo got $s; exit 7" $s; done; sleep 1000 & echo ready; wait`;

describe("signals to hb", () => {
  test.each(["INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "WINCH"] as const)(
    "SIG%s reaches the payload (H-15)",
    async (name) => {
      const running = box.start(["run", "-q", busybox, "sh", "-c", reporter(name)]);
      await running.until("ready");
      running.kill(`SIG${name}`);
      expect(await running.end()).toEqual({
        status: 7,
        stdout: `ready\ngot ${name}\n`,
        stderr: "",
      });
    },
  );

  test("a payload that a signal ends gives 128+n, under --init", async () => {
    const running = box.start([
      "run",
      "--init",
      busybox,
      "sh",
      "-c",
      "echo ready; exec sleep 1000",
    ]);
    await running.until("ready");
    running.kill("SIGTERM");
    expect((await running.end()).status).toBe(143);
  });

  test("a payload without a handler is ended all the same, though it is pid 1 (H-15)", async () => {
    const running = box.start(["run", "-q", busybox, "sh", "-c", "echo ready; exec sleep 1000"]);
    await running.until("ready");
    running.kill("SIGTERM");
    expect((await running.end()).status).toBe(143);
  });

  test("an image's StopSignal is what SIGTERM becomes", async () => {
    const config = { Env: ["PATH=/bin"], StopSignal: "SIGUSR2" };
    await pushImage(registry, "stop:1", [busyboxLayer()], { config });
    const running = box.start([
      "run",
      "-q",
      `${registry}/stop:1`,
      "sh",
      "-c",
      reporter("USR2 TERM"),
    ]);
    await running.until("ready");
    running.kill("SIGTERM");
    expect((await running.end()).stdout).toMatch(/got (USR2|TERM)\n$/);
  });
});

describe("--init", () => {
  test("is pid 1 and reaps what the payload leaves behind (H-15)", async () => {
    const script =
      "echo $$; (sh -c 'true & exec true' &) ; read a b c d < /proc/1/stat; echo $b; wait; " +
      "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l";
    const lines = (await box.output("--init", busybox, "sh", "-c", script)).split("\n");
    expect(lines[0]).not.toBe("1");
    expect(lines[1]).not.toBe("(sh)");
  });

  test("passes the payload's status on", async () => {
    expect((await box.hb(["run", "--init", busybox, "sh", "-c", "exit 9"])).status).toBe(9);
  });

  test("says 127 for a program that is missing, as without it", async () => {
    await box.failure(127, ["run", "--init", busybox, "no-such-program"]);
  });
});

describe("kill -9 of hb", () => {
  test("kills the container, and the next command clears what it left (H-21)", async () => {
    const running = box.start(["run", "-q", busybox, "sh", "-c", "echo ready; exec sleep 1000"]);
    await running.until("ready");
    expect(readdirSync(box.path("store", "containers"))).toHaveLength(1);
    running.kill("SIGKILL");
    // The end of standard output is the event: every process of the container held it.
    expect((await running.end()).status).toBe(137);
    expect(await box.hb(["run", busybox, "true"])).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(readdirSync(box.path("store", "containers"))).toEqual([]);
  });

  test("also clears files that belong to subordinate ids (H-21)", async () => {
    const script = "mkdir -m 0 /tmp/d; chown 1000:1000 /tmp/d; echo ready; exec sleep 1000";
    const running = box.start(["run", "-q", busybox, "sh", "-c", script]);
    await running.until("ready");
    running.kill("SIGKILL");
    await running.end();
    expect((await box.hb(["prune"])).status).toBe(0);
    expect(readdirSync(box.path("store", "containers"))).toEqual([]);
  });

  test("does not touch a container that another hb is running (H-20)", async () => {
    const other = box.start([
      "run",
      "-i",
      busybox,
      "sh",
      "-c",
      "echo ready; read x; echo still $x",
    ]);
    await other.until("ready");
    expect((await box.hb(["prune"])).status).toBe(0);
    expect((await box.hb(["clean"])).status).toBe(0);
    other.stdin.write("here\n");
    await other.stdin.end();
    expect(await other.end()).toMatchObject({ status: 0, stdout: "ready\nstill here\n" });
  });
});

box.leavesNothingBehind();
