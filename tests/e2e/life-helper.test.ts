/**
 * What a supervisor does by itself: it runs out of patience, starts the payload again, tells how it
 * ended, and lets go of everything that is not its own.
 */

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { Box, busybox, hbBinary, isRoot } from "./harness.ts";
import { freePort } from "./network.ts";

const box = new Box();
/** Nothing of most of these tests is about networks, and none is the fastest. */
const lone = ["--network", "none"];
/** Hears a signal and goes on. */
const deaf = (signal: string) =>
  `trap 'echo heard' ${signal}; echo ready; while :; do sleep 1000 & wait; done`;

/** A command that must succeed: what it printed, without the last line end. */
const hb = async (...args: string[]) => (await box.must(...args)).replace(/\n$/, "");

async function detached(name: string, ...args: string[]): Promise<string> {
  return hb("run", "-q", "-d", "--name", name, ...args);
}

async function statusOf(name: string): Promise<string> {
  return hb("ps", "-a", "--filter", `name=^${name}$`, "--format", "{{.State}}");
}

/** Waits for one end after the other until no other start follows. */
async function untilOver(name: string): Promise<void> {
  while ((await statusOf(name)) !== "exited") await hb("wait", name);
}

function inContainer(id: string, ...path: string[]): string {
  return readFileSync(box.path("store", "containers", id, ...path), "utf8");
}

function stateOf(id: string) {
  return JSON.parse(inContainer(id, "state.json"));
}

describe("hb in the foreground", () => {
  test("a second interrupt within two seconds kills what does not mind the first", async () => {
    const running = box.start(["run", "-q", ...lone, busybox, "sh", "-c", deaf("INT")]);
    await running.until("ready");
    running.kill("SIGINT");
    await running.until("heard");
    running.kill("SIGINT");
    expect(await running.end()).toMatchObject({ status: 130, stderr: "" });
  });

  test("SIGTERM ends the container within --stop-timeout", async () => {
    const flags = ["--stop-timeout", "1", ...lone];
    const running = box.start(["run", "-q", ...flags, busybox, "sh", "-c", deaf("TERM")]);
    await running.until("ready");
    running.kill("SIGTERM");
    await running.until("heard");
    expect(await running.end()).toMatchObject({ status: 137, stderr: "" });
  });

  test("--timeout ends a run that lasts too long, and says so", async () => {
    const flags = ["--timeout", "1", "--stop-timeout", "0", ...lone];
    expect(await box.hb(["run", "-q", ...flags, busybox, "sleep", "1000"])).toEqual({
      status: 137,
      stdout: "",
      stderr: "hb: notice: killed by SIGKILL: timeout of 1 s reached\n",
    });
  });
});

describe("the restart policy", () => {
  const again = "echo run >> /runs; exit 3";

  test("starts a failing container again, as often as it says", async () => {
    const flags = ["--restart", "on-failure:2", ...lone];
    const id = await detached("fails", ...flags, busybox, "sh", "-c", again);
    await untilOver("fails");
    expect(inContainer(id, "upper", "runs")).toBe("run\nrun\nrun\n");
    expect(stateOf(id).hb).toMatchObject({ exitCode: 3, restartCount: 2, restarting: false });
    const events = readFileSync(box.path("store", "events"), "utf8").trim().split("\n");
    const own = events.map((line) => JSON.parse(line)).filter((event) => event.id === id);
    const actions = own.map(({ action }) => action).join(" ");
    expect(actions).toContain("start die restart start die restart start die");
    await hb("rm", "fails");
  });

  test("ends with a stop, also between two runs", async () => {
    const flags = ["--restart", "always", ...lone];
    const id = await detached("again", ...flags, busybox, "sh", "-c", again);
    // With every run the time to the next doubles.
    for (let ends = 0; ends < 4; ends++) await hb("wait", "again");
    expect(stateOf(id).hb).toMatchObject({ restarting: true, stopped: false });
    await hb("stop", "again");
    expect(await statusOf("again")).toBe("exited");
    expect(stateOf(id).hb).toMatchObject({ exitCode: 3, restarting: false, stopped: true });
    await hb("rm", "again");
  });

  test("keeps the address, and gets its ports back", async () => {
    // A bridge of its own would go with its only container.
    if (isRoot) await hb("network", "create", "again0");
    const network = isRoot ? ["--network", "again0"] : [];
    const flags = ["--restart", "on-failure:2", "-p", `${freePort()}:80`, ...network];
    const script = "ip -o addr | grep -v ' lo ' | grep inet | cut -d' ' -f2-8 >> /seen; exit 1";
    const id = await detached("placed", ...flags, busybox, "sh", "-c", script);
    await untilOver("placed");
    expect(stateOf(id).hb).toMatchObject({ exitCode: 1, restartCount: 2 });
    const seen = inContainer(id, "upper", "seen").trim().split("\n");
    const ipv4 = seen.filter((line) => line.includes("inet "));
    expect(ipv4).toHaveLength(3);
    expect(new Set(ipv4).size).toBe(1);
    await hb("rm", "placed");
    if (isRoot) await hb("network", "rm", "again0");
  });

  test("ends with its supervisor", async () => {
    const flags = ["--restart", "always", ...lone];
    const id = await detached("orphan", ...flags, busybox, "false");
    await hb("wait", "orphan");
    process.kill(stateOf(id).hb.supervisor, "SIGKILL");
    await hb("wait", "orphan");
    expect(await statusOf("orphan")).toBe("exited");
    await hb("rm", "orphan");
  });
});

describe("a detached supervisor", () => {
  test("keeps nothing open that hb was given, and stands in nobody's way", async () => {
    const run = `"$0" run -q -d --name quiet ${lone.join(" ")} ${busybox} sleep 1000 9>&1 8>&2`;
    // It ends with the end of its output, whoever still holds that.
    const { status, stdout } = await box.command(["sh", "-c", run, hbBinary]);
    expect(status).toBe(0);
    const process = `/proc/${stateOf(stdout.trim()).hb.supervisor}`;
    expect(readFileSync(`${process}/stat`, "latin1").split(" ")[5]).toBe(process.slice(6));
    await hb("rm", "-f", "quiet");
  });

  test("takes SIGTERM for a stop and no notice of other signals", async () => {
    const id = await detached("served", ...lone, busybox, "sh", "-c", `${deaf("TERM")}`);
    const { supervisor } = stateOf(id).hb;
    for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTSTP", "SIGUSR1"] as const)
      process.kill(supervisor, signal);
    expect(await statusOf("served")).toBe("running");
    process.kill(supervisor, "SIGTERM");
    expect(await hb("stop", "-t", "0", "served")).toBe("served");
    expect(stateOf(id).hb).toMatchObject({ exitCode: 137, signal: 9, stopped: true });
    expect(stateOf(id).hb.reason).toBe("killed by SIGKILL: it did not end within 0 s of SIGTERM");
    expect(readdirSync(box.path("store", "containers", id))).not.toContain("ctl");
    await hb("rm", "served");
  });
});

box.leavesNothingBehind();
