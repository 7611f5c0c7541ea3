/** How containers are told to be, with real locks in a real store. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newContainerId } from "../store/id.ts";
import { makeContainer, markKept } from "../store/kept.ts";
import { createStore, openStore, type StorePaths, within } from "../store/layout.ts";
import { claimName } from "../store/names.ts";
import { readPlan } from "./record.ts";
import { findContainer, type Known, listKnown } from "./select.ts";
import { readState, requireRunning, setStateAside } from "./state.ts";

let store: StorePaths;
let supervisor: Bun.Subprocess<"pipe", "pipe">;

beforeEach(async () => {
  store = openStore(mkdtempSync(join(tmpdir(), "hb-states-")));
  createStore(store, process.geteuid?.() ?? 0);
  // What a supervisor is to a reader: a process of that name with a child.
  supervisor = Bun.spawn(["/bin/sh", "-c", "echo; read x"], {
    argv0: "hb-init",
    stdin: "pipe",
    stdout: "pipe",
  });
  await supervisor.stdout.getReader().read(); // it has its arguments
});

afterEach(async () => {
  supervisor.kill("SIGKILL");
  await supervisor.exited;
  rmSync(store.root, { recursive: true });
});

/** A kept container whose state.json has `state`; unlocked, but by the lock it returns. */
function put(state?: object): { known: Known; lock: ReturnType<typeof makeContainer> } {
  const id = newContainerId();
  const lock = makeContainer(store, id);
  markKept(store, id);
  const known = { id, directory: within(store.containers, id) };
  if (state !== undefined) {
    writeFileSync(within(known.directory, "state.json"), JSON.stringify(state));
  }
  return { known, lock };
}

function running(hb: object = {}): object {
  return { status: "running", pid: 1, hb: { supervisor: supervisor.pid, restartCount: 2, ...hb } };
}

describe("readState()", () => {
  test("knows a container that was never started, whoever holds its lock", () => {
    const { known, lock } = put();
    expect(readState(known)).toMatchObject({ status: "created" });
    lock.release();
    expect(readState(known)).toEqual({ status: "created", oomKilled: false, restartCount: 0 });
  });

  test("says running exactly while its supervisor holds the lock", () => {
    const { known, lock } = put(running({ startedAt: "2026-01-02T03:04:05.6Z" }));
    utimesSync(within(known.directory, "state.json"), 1_700_000_000, 1_700_000_000);
    expect(readState(known)).toMatchObject({ status: "running", pid: 1, restartCount: 2 });
    lock.release();
    expect(readState(known)).toEqual({
      status: "exited",
      startedAt: "2026-01-02T03:04:05.6Z",
      finishedAt: "2023-11-14T22:13:20.000Z",
      exitCode: 137,
      reason: "killed together with its supervisor",
      oomKilled: false,
      restartCount: 2,
    });
  });

  test("takes no command that has the lock for the supervisor that was killed", () => {
    const { known } = put({ status: "running", pid: 1, hb: { supervisor: process.pid } });
    expect(readState(known)).toMatchObject({ status: "exited", exitCode: 137 });
  });

  test("tells between two runs, and after the last one, what the last one was", () => {
    const hb = { exitCode: 3, finishedAt: "x", oomKilled: true, reason: "y", restarting: true };
    const { known, lock } = put({ ...running(hb), status: "stopped" });
    expect(readState(known)).toMatchObject({ status: "restarting", exitCode: 3 });
    lock.release();
    expect(readState(known)).toMatchObject({ status: "exited", exitCode: 3, oomKilled: true });
  });

  test("knows a beginning from an end, and the last end from none", () => {
    const { known, lock } = put({ status: "stopped", hb: { supervisor: 1, exitCode: 3 } });
    expect(readState(known)).toMatchObject({ status: "exited", exitCode: 3 });
    setStateAside(known);
    expect(readState(known)).toMatchObject({ status: "created" });
    lock.release();
    expect(readState(known)).toMatchObject({ status: "exited", exitCode: 3 });
  });

  test("takes a state that a power cut has emptied for an end, not one that lives", () => {
    const { known, lock } = put();
    writeFileSync(within(known.directory, "state.json"), "");
    utimesSync(within(known.directory, "state.json"), 1_700_000_000, 1_700_000_000);
    const startedAt = "2023-11-14T22:13:20.000Z";
    expect(readState(known)).toMatchObject({ status: "running", startedAt });
    lock.release();
    expect(readState(known)).toMatchObject({ status: "exited", exitCode: 137 });
  });
});

test("requireRunning() wants the process to be its supervisor's child", () => {
  const child = process.pid; // a child of somebody else
  const { known } = put({ ...running(), pid: child });
  expect(() => requireRunning(known, "read x")).toThrow(/^Cannot read x: container \w{12} is not/);
  const own = put({ status: "running", pid: supervisor.pid, hb: { supervisor: process.pid } });
  expect(() => requireRunning(own.known, "read x")).toThrow(/is not running/);
});

describe("findContainer()", () => {
  test("takes a name, an id, and the beginning of an id", () => {
    const { known, lock } = put();
    claimName(store, "web", known.id);
    lock.release();
    const named = { ...known, name: "web" };
    for (const text of ["web", "/web", known.id, known.id.slice(0, 5)]) {
      expect(findContainer(store, text)).toEqual(named);
    }
    expect(listKnown(store)).toEqual([named]);
  });

  test("knows neither what is not there nor what a killed process left", () => {
    const id = newContainerId();
    const lock = makeContainer(store, id);
    expect(findContainer(store, id).id).toBe(id);
    lock.release();
    expect(() => findContainer(store, id)).toThrow(`No such container: ${id}`);
    expect(() => findContainer(store, "../x")).toThrow("No such container: ../x");
  });

  test("chooses no one of several", () => {
    for (let i = 0; i < 17; i++) put(); // two of them begin alike
    const first = listKnown(store).map(({ id }) => id.slice(0, 1));
    const twice = first.find((digit, index) => first.indexOf(digit) !== index) ?? "";
    expect(() => findContainer(store, twice)).toThrow(/Several containers/);
  });
});

test("readPlan() reads limits without end, and no plan of another container", () => {
  const { known } = put();
  const rlimits = `[{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615}]`;
  const write = (id: string) => {
    const text = `{"process":{"rlimits":${rlimits}},"hb":{"container":{"id":"${id}"},"life":{}}}`;
    writeFileSync(within(known.directory, "config.json"), text);
  };
  write(known.id);
  expect(readPlan(known).process.rlimits).toEqual([
    { type: "RLIMIT_CORE", soft: 0, hard: Number.POSITIVE_INFINITY },
  ]);
  write("another");
  expect(() => readPlan(known)).toThrow(/Cannot read the container/);
});

test.each(["", "null", "[]", `{"ociVersion":"1.0.2","hb":{}}`])("readPlan() refuses %j", (text) => {
  const { known } = put();
  const ours = `{"hb":{"container":{"id":"${known.id}"},"life":{}}}`;
  for (const damaged of [text, ours]) {
    writeFileSync(within(known.directory, "config.json"), damaged);
    expect(() => readPlan(known)).toThrow(/^Cannot read the container/);
  }
});
