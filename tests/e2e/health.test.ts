/** Health checks: commands run in the container now and then, and what their answers make known. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { watch } from "node:fs/promises";
import { Box, busybox } from "./harness.ts";

const box = new Box();

/** A detached container with these flags about health. */
async function begin(name: string, ...flags: string[]): Promise<string> {
  const argv = ["run", "-qd", "--name", name, "--network", "none", ...flags];
  const { status, stdout, stderr } = await box.hb([...argv, busybox, "sleep", "100000"]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.trim();
}

async function end(name: string): Promise<void> {
  expect(await box.hb(["rm", "-f", "-t", "0", name])).toMatchObject({ status: 0 });
}

interface Health {
  readonly status: string;
  readonly failingStreak: number;
  readonly log: readonly { readonly exitCode: number; readonly output: string }[];
}

function healthOf(id: string): Health {
  const file = box.path("store", "containers", id, "state.json");
  return JSON.parse(readFileSync(file, "utf8")).hb.health;
}

/** Waits for a result after which `holds`; each is a change in the container's directory. */
async function until(id: string, holds: (health: Health) => boolean): Promise<Health> {
  const changed = new AbortController();
  const changes = watch(box.path("store", "containers", id), { signal: changed.signal });
  const iterator = changes[Symbol.asyncIterator]();
  const stop = () => changed.abort();
  for (let next = iterator.next(); ; next = iterator.next()) {
    const health = healthOf(id);
    if (holds(health)) {
      next.catch(stop); // aborted, and nobody waits for it
      stop();
      return health;
    }
    await next;
  }
}

describe("a container", () => {
  test("is healthy when the command says so, and unhealthy when it fails often", async () => {
    const check = "cat /tmp/well || exit 1";
    const flags = ["--health-cmd", check, "--health-interval", "100ms", "--health-retries", "2"];
    const id = await begin("web", ...flags);
    expect(["starting", "unhealthy"]).toContain(healthOf(id).status);
    const bad = await until(id, ({ status }) => status === "unhealthy");
    expect(bad.failingStreak).toBeGreaterThanOrEqual(2);
    expect(bad.log.at(-1)?.output).toContain("can't open");
    const healthy = box.hb(["wait", "--condition", "healthy", "web"]);
    await box.hb(["exec", "web", "sh", "-c", "echo quite > /tmp/well"]);
    expect(await healthy).toMatchObject({ status: 0 });
    expect(healthOf(id).log.at(-1)).toMatchObject({ exitCode: 0, output: "quite\n" });
    await until(id, ({ log }) => log.length === 5 && log.every(({ exitCode }) => exitCode === 0));
    await end("web");
    const events = readFileSync(box.path("store", "events"), "utf8");
    const told = [...events.matchAll(/"health_status: (\w+)"/g)].map((match) => match[1]);
    expect(told).toEqual(["unhealthy", "healthy"]);
  });

  test("is starting while nobody counts failures, and asked more often then", async () => {
    const id = await begin(
      "slow",
      ...["--health-cmd", "false", "--health-interval", "1h", "--health-retries", "1"],
      ...["--health-start-period", "1h", "--health-start-interval", "50ms"],
    );
    const health = await until(id, ({ log }) => log.length >= 3);
    expect(health).toMatchObject({ status: "starting", failingStreak: 0 });
    await end("slow");
  });

  test("has no health where nobody asked, or --no-healthcheck", async () => {
    const id = await begin("silent", "--no-healthcheck");
    expect(healthOf(id)).toBeUndefined();
    await end("silent");
  });
});

describe("a check", () => {
  test("that takes too long is killed with all it has started", async () => {
    const check = "echo begun; sleep 7654325 & sleep 7654325";
    const flags = ["--health-interval", "50ms", "--health-timeout", "300ms"];
    const id = await begin("late", "--health-cmd", check, ...flags, "--health-retries", "1");
    const { log } = await until(id, ({ status }) => status === "unhealthy");
    expect(log[0]).toMatchObject({
      exitCode: -1,
      output: "Health check exceeded timeout (300 ms): begun\n",
    });
    await until(id, ({ log: answers }) => answers.length >= 4);
    const { stdout } = await box.hb(["exec", "late", "ps"]);
    expect(stdout.split("sleep 7654325").length - 1).toBeLessThanOrEqual(3); // of the latest
    await end("late");
  });

  test("that writes much is not held up, and its beginning is kept", async () => {
    const check = "yes | head -c 1000000; echo";
    const id = await begin("loud", "--health-cmd", check, "--health-interval", "50ms");
    const { log } = await until(id, ({ status }) => status === "healthy");
    expect(log[0]?.output).toHaveLength(4096);
    await end("loud");
  });

  test("that does not exist says so where its output would be", async () => {
    const flags = ["--health-interval", "50ms", "--health-retries", "1"];
    const argv = ["run", "-qd", "--name", "odd", "--network", "none", ...flags];
    const run = [...argv, "--health-cmd", "exec /absent", busybox, "sleep", "100000"];
    const id = (await box.hb(run)).stdout.trim();
    const { log } = await until(id, ({ status }) => status === "unhealthy");
    expect(log[0]).toMatchObject({ exitCode: 127 });
    expect(log[0]?.output).toContain("/absent");
    await end("odd");
  });

  test("under way does not hold up the container's end", async () => {
    const flags = ["--health-cmd", "sleep 100000", "--health-interval", "10ms"];
    for (let round = 0; round < 5; round++) {
      await begin("brief", ...flags);
      await end("brief");
    }
  });
});

test("flags that make no sense are said", async () => {
  const failing = ["run", "--health-interval", "5", busybox, "true"];
  expect(await box.failure(125, failing)).toContain('--health-interval "5": that is no duration');
});

box.leavesNothingBehind();
