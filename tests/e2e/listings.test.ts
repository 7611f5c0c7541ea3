/** What hb tells of containers: ps, port, top, inspect and events, about some that run. */

import { beforeAll, describe, expect, test } from "bun:test";
import { Box, busybox, isRoot, testWith } from "./harness.ts";

const box = new Box();
const sleeper = ["sh", "-c", "sleep 1000 & exec sleep 1001"];

/** A command that must succeed: what it printed, without the last line end. */
const hb = async (...args: string[]) => (await box.must(...args)).replace(/\n$/, "");

async function sorted(...args: string[]): Promise<string[]> {
  return (await hb(...args)).split("\n").sort();
}

let db = "";

beforeAll(async () => {
  const none = ["-q", "--network", "none"];
  const labels = ["-l", "tier=data", "-l", "ci"];
  db = await hb("run", "-d", "--name", "db", ...labels, ...none, busybox, ...sleeper);
  await hb("run", "--rm=false", "--name", "done", "-l", "ci", ...none, busybox, "true");
  await box.hb(["run", "--rm=false", "--name", "failed", ...none, busybox, "sh", "-c", "exit 7"]);
  await hb("create", "--name", "new", ...none, "-v", `${box.path("tmp")}:/mine`, busybox);
});

describe("hb ps", () => {
  test("lists what runs, with docker's headings", async () => {
    const [headings = "", row = "", ...more] = (await hb("ps")).split("\n");
    expect(headings.split(/ {2,}/)).toEqual([
      ...["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"],
    ]);
    expect(row).toStartWith(`${db.slice(0, 12)}   ${busybox}   "sh -c sleep 1000 & …"`);
    expect(row).toMatch(/ Up [^ ].* db$/);
    expect(more).toEqual([]);
  });

  test("lists with -a what ended and what was never started, and how", async () => {
    const format = "{{.Names}} {{.State}} {{.Status}}";
    const rows = (await sorted("ps", "-a", "--format", format)).map((row) => {
      return row.replace(/ (Less|About|\d).*/, "");
    });
    expect(rows).toEqual([
      "db running Up",
      "done exited Exited (0)",
      "failed exited Exited (7)",
      "new created Created",
    ]);
  });

  const filters: [what: string, filters: string[], names: string[]][] = [
    ["a status", ["status=created"], ["new"]],
    ["an exit status", ["exited=7"], ["failed"]],
    ["one of two exit statuses", ["exited=7", "exited=0"], ["done", "failed"]],
    ["a label", ["label=ci"], ["db", "done"]],
    ["a label's value", ["label=tier=data"], ["db"]],
    ["all labels asked for", ["label=ci", "label=tier"], ["db"]],
    ["a part of a name", ["name=^d"], ["db", "done"]],
    ["an image", [`ancestor=${busybox}`], ["db", "done", "failed", "new"]],
    ["what came before another", ["before=failed"], ["db", "done"]],
    ["what came after another", ["since=failed"], ["new"]],
    ["a mount", ["volume=/mine"], ["new"]],
    ["names and states together", ["name=d", "status=running"], ["db"]],
    ["a network", ["network=none"], ["db", "done", "failed", "new"]],
    ["no health check", ["health=none", "status=running"], ["db"]],
  ];
  test.each(filters)("filters by %s", async (_what, texts, names) => {
    const flags = texts.flatMap((text) => ["--filter", text]);
    expect(await sorted("ps", "-a", ...flags, "--format", "{{.Names}}")).toEqual(names);
  });

  test("has the latest first, and only so many as asked for", async () => {
    const names = async (...args: string[]) => (await hb("ps", ...args)).split("\n");
    const format = ["--format", "{{.Names}}"];
    expect(await names("-a", ...format)).toEqual(["new", "failed", "done", "db"]);
    expect(await names("-n", "2", ...format)).toEqual(["new", "failed"]);
    expect(await names("-l", ...format)).toEqual(["new"]);
  });

  test("prints ids with -q, whole ones with --no-trunc", async () => {
    expect(await hb("ps", "-q")).toBe(db.slice(0, 12));
    expect(await hb("ps", "-q", "--no-trunc")).toBe(db);
  });

  test("knows no filter that docker does not know", async () => {
    expect(await box.failure(1, ["ps", "--filter", "stauts=running"])).toContain("status");
    expect(await box.failure(1, ["ps", "--filter", "status=well"])).toContain("running");
  });

  test("says exited as soon as the supervisor was killed, whatever was written down", async () => {
    const id = await hb("run", "-q", "-d", "--network", "none", busybox, "sleep", "1000");
    const removed = box.hb(["wait", id]);
    const text = await Bun.file(box.path("store", "containers", id, "state.json")).text();
    process.kill(JSON.parse(text).hb.supervisor, "SIGKILL");
    expect((await removed).stdout).toBe("137\n");
    expect(await hb("ps", "-a", "--filter", `id=${id}`, "--format", "{{.State}}")).toBe("exited");
    await hb("rm", id);
  });
});

test("hb top shows the container's processes and nobody else's", async () => {
  const [headings = "", ...rows] = (await hb("top", "db")).split("\n");
  expect(headings.split(/ +/)).toEqual(["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
  expect(rows.map((row) => row.replace(/.*:\d\d +/, ""))).toEqual(["sleep 1001", "sleep 1000"]);
  expect(await box.failure(1, ["top", "done"])).toContain("not running");
});

describe("hb inspect", () => {
  test("has docker's fields of a container", async () => {
    const [document] = JSON.parse(await hb("inspect", "db"));
    expect(document).toMatchObject({
      Id: db,
      Name: "/db",
      Path: "sh",
      Args: sleeper.slice(1),
      RestartCount: 0,
      State: { Status: "running", Running: true, Paused: false, ExitCode: 0, OOMKilled: false },
      Config: { Labels: { tier: "data", ci: "" }, Image: busybox, Tty: false },
      HostConfig: { NetworkMode: "none", AutoRemove: false, RestartPolicy: { Name: "no" } },
    });
    expect(document.State.Pid).toBeGreaterThan(1);
    expect(Date.parse(document.State.StartedAt)).toBeGreaterThan(Date.parse(document.Created) - 1);
  });

  test("tells how a container ended, by a template", async () => {
    const format = "{{.State.Status}} {{.State.ExitCode}} {{.State.Running}}";
    expect(await hb("inspect", "-f", format, "failed", "new")).toBe(
      "exited 7 false\ncreated 0 false",
    );
    const mounts = "{{range .Mounts}}{{.Source}}:{{.Destination}}:{{.RW}}{{end}}";
    expect(await hb("inspect", "-f", mounts, "new")).toBe(`${box.path("tmp")}:/mine:true`);
  });

  test("takes a container before an image, unless told", async () => {
    expect(await hb("inspect", "-f", "{{.Id}}", db.slice(0, 12))).toBe(db);
    expect(await hb("inspect", "--type", "image", "-f", "{{.Os}}", busybox)).toBe("linux");
    expect(await box.failure(1, ["inspect", "--type", "image", "db"])).toContain("db");
    const some = await box.hb(["inspect", "-f", "{{.Name}}", "absent", "db", "gone"]);
    expect(some).toMatchObject({ status: 1, stdout: "/db\n" });
    expect(some.stderr).toMatch(/^hb: No such .*: absent;.*\nhb: No such .*: gone;.*\n$/);
  });
});

describe("published ports", () => {
  const publishes = isRoot ? test : testWith("pasta");
  publishes("are in ps, port and inspect while the container runs", async () => {
    await hb("run", "-q", "-d", "--name", "web", "-p", "127.0.0.1::80/udp", busybox, ...sleeper);
    const ports = "{{(index (index .NetworkSettings.Ports `80/udp`) 0).HostPort}}";
    const port = await hb("inspect", "-f", ports, "web");
    expect(await hb("port", "web")).toBe(`80/udp -> 127.0.0.1:${port}`);
    expect(await hb("port", "web", "80/udp")).toBe(`127.0.0.1:${port}`);
    expect(await hb("ps", "--filter", "name=web", "--format", "{{.Ports}}")).toBe(
      `127.0.0.1:${port}->80/udp`,
    );
    expect(await box.failure(1, ["port", "web", "81"])).toContain("81/tcp");
    await hb("rm", "-f", "web");
  });
});

describe("hb events", () => {
  test("tells a container's life from making to removal", async () => {
    const since = new Date().toISOString();
    const id = await hb("create", "--name", "brief", "--network", "none", busybox, "true");
    await hb("start", "-a", "brief");
    await hb("rm", "brief");
    const format = "{{.Action}} {{.Actor.Attributes.exitCode}} {{.Actor.Attributes.name}}";
    const filter = ["--filter", `container=${id}`];
    const told = await hb(
      "events",
      "--since",
      since,
      "--until",
      "0s",
      ...filter,
      "--format",
      format,
    );
    const lines = told.split("\n").map((line) => line.replace("<no value>", "-"));
    const main = lines.filter((line) => /^(create|start|die|destroy) /.test(line));
    expect(main).toEqual(["create - brief", "start - brief", "die 0 brief", "destroy - brief"]);
  });

  test("are told as they happen", async () => {
    const since = new Date().toISOString();
    const following = box.start(["events", "--since", since, "--filter", "event=die"]);
    await hb("run", "-q", "--name", "quick", "--network", "none", busybox, "true");
    await following.until("name=quick");
    following.kill("SIGINT");
    expect((await following.end()).stdout).toMatch(
      /^\S+ container die [0-9a-f]{64} \(exitCode=0, /,
    );
  });
});

test("hb rm takes them all", async () => {
  await hb("rm", "-f", "db", "done", "failed", "new");
  expect(await hb("ps", "-aq")).toBe("");
});

box.leavesNothingBehind();
