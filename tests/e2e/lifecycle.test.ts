/**
 * Containers that live on: made, started, stopped, renamed and removed, by name and by id; and what
 * is left of them when somebody is killed.
 */

import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename } from "node:path";
import { Box, busybox, isRoot, registry } from "./harness.ts";

const box = new Box();
/** Nothing of these tests is about networks, and none is the fastest. */
const lone = ["--network", "none"];

/** A command that must succeed: what it printed, without the last line end. */
const hb = async (...args: string[]) => (await box.must(...args)).replace(/\n$/, "");

async function statusOf(name: string): Promise<string> {
  return hb("ps", "-a", "--filter", `name=^${name}$`, "--format", "{{.State}}");
}

async function detached(name: string, ...command: string[]): Promise<string> {
  return hb("run", "-q", "-d", "--name", name, ...lone, busybox, ...command);
}

function supervisorOf(id: string): number {
  const file = box.path("store", "containers", id, "state.json");
  return JSON.parse(readFileSync(file, "utf8")).hb.supervisor;
}

test("stop and kill say so when a supervisor cannot be reached, and rm -f ends it", async () => {
  const id = await detached("mute", "sleep", "1000");
  rmSync(box.path("store", "containers", id, "ctl"));
  for (const action of ["stop", "kill"]) {
    expect(await box.failure(1, [action, "mute"])).toContain("its supervisor does not answer");
  }
  expect(await hb("rm", "-f", "mute")).toBe("mute");
});

describe("hb run -d", () => {
  test("prints the id once the command runs, and leaves it running", async () => {
    const id = await detached("web", "sh", "-c", "echo started > /started; sleep 1000");
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(await statusOf("web")).toBe("running");
    expect(await hb("stop", "-t", "0", "web")).toBe("web");
    expect(await statusOf("web")).toBe("exited");
    expect(await hb("wait", id.slice(0, 8))).toBe("137");
    expect(await hb("rm", "web")).toBe("web");
    expect(await statusOf("web")).toBe("");
  });

  test("says why a command cannot start, with the status of a run in front", async () => {
    for (const [command, status] of [
      ["/absent", 127],
      ["/etc/passwd", 126],
    ] as const) {
      const result = await box.hb(["run", "-d", "--name", "fails", ...lone, busybox, command]);
      expect(result).toMatchObject({ status, stdout: "" });
      expect(result.stderr).toMatch(/^hb: [^\n]+\n$/);
      await hb("rm", "fails");
    }
  });

  test("with --rm leaves nothing, not even its name", async () => {
    await hb("run", "-d", "--rm", "--name", "brief", ...lone, busybox, "sleep", "1000");
    const removed = box.hb(["wait", "--condition", "removed", "brief"]);
    await hb("kill", "brief");
    expect(await removed).toMatchObject({ status: 0, stdout: "137\n" });
    expect(readdirSync(box.path("store", "containers"))).toEqual([]);
    expect(readdirSync(box.path("store", "names"))).toEqual([]);
  });

  test("gives a container without a name one that can be said", async () => {
    const id = await hb("run", "-d", ...lone, busybox, "sleep", "1000");
    const name = await hb("ps", "--format", "{{.Names}}");
    expect(name).toMatch(/^[a-z]+_[a-z]+$/);
    expect(await hb("rm", "-f", name)).toBe(name);
    expect(await box.failure(1, ["rm", id])).toContain(`No such container: ${id}`);
  });

  test("refuses flags that exclude each other", async () => {
    const run = ["run", "-d"];
    expect(await box.failure(125, [...run, "-a", "stdout", busybox])).toBe(
      "Conflicting options: -a and -d",
    );
    expect(await box.failure(125, [...run, "--rm", "--restart", "always", busybox])).toStartWith(
      "Conflicting options: --restart and --rm",
    );
    expect(await box.failure(125, [...run, "--restart", "sometimes", busybox])).toContain(
      "on-failure[:TIMES]",
    );
  });
});

describe("hb create and hb start", () => {
  test("run what was made, with the files and the words of then", async () => {
    mkdirSync(box.path("work"));
    writeFileSync(box.path("work", "env"), "WORD=old\n");
    const script =
      'echo "$WORD $CALLER" > /told/said; echo run >> /runs; wc -l < /runs >> /told/said';
    const flags = ["-v", "./:/told", "--env-file", "env", "-e", "CALLER"];
    const create = ["create", "--name", "job", ...lone, ...flags, busybox, "sh", "-c", script];
    const made = await box.hb(create, { cwd: box.path("work"), env: { CALLER: "caller" } });
    expect(made).toMatchObject({ status: 0, stderr: "" });
    expect(await statusOf("job")).toBe("created");
    writeFileSync(box.path("work", "env"), "WORD=new\n");
    for (const runs of [1, 2]) {
      await hb("start", "job");
      expect(await hb("wait", "job")).toBe("0");
      expect(readFileSync(box.path("work", "said"), "utf8")).toBe(`old caller\n${runs}\n`);
    }
    await hb("rm", "job");
  });

  test("an attached start passes streams on, and ends with the exit status", async () => {
    const script = "cat; echo error >&2; exit 6";
    await hb("create", "-i", "--name", "talks", ...lone, busybox, "sh", "-c", script);
    const { status, stdout, stderr } = await box.hb(["start", "-ai", "talks"], { stdin: "word\n" });
    expect({ status, stdout, stderr }).toEqual({ status: 6, stdout: "word\n", stderr: "error\n" });
    await hb("rm", "talks");
  });

  test("with --rm it goes when its first run ends", async () => {
    const id = await hb("create", "--rm", "--name", "once", ...lone, busybox, "true");
    const removed = box.hb(["wait", "--condition", "removed", id]);
    expect(await hb("start", "once")).toBe("once");
    expect(await removed).toMatchObject({ status: 0, stdout: "0\n" });
    expect(readdirSync(box.path("store", "containers"))).toEqual([]);
    expect(readdirSync(box.path("store", "names"))).toEqual([]);
  });

  test("what runs already is no failure, and what is missing is, for itself alone", async () => {
    await detached("one", "sleep", "1000");
    await hb("create", "--name", "two", ...lone, busybox, "sleep", "1000");
    const { status, stdout, stderr } = await box.hb(["start", "one", "absent", "two"]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "one\ntwo\n" });
    expect(stderr).toMatch(/^hb: No such container: absent; [^\n]+\n$/);
    expect(await box.failure(1, ["start", "-a", "one", "two"])).toContain("multiple containers");
    expect(await hb("rm", "-f", "one", "two", "one")).toBe("one\ntwo");
  });

  test("says that the image was removed", async () => {
    const image = `${registry}/alpine:3`;
    const made = await box.hb(["create", "-q", "--name", "bare", ...lone, image, "true"]);
    if (made.status !== 0) return; // a registry without that image
    expect(await box.failure(1, ["rmi", image])).toContain("is made of it");
    await hb("rmi", "-f", image);
    await hb("prune", "--images");
    const there = (await box.hb(["start", "bare"])).status;
    expect(there).toBe(0); // layers stay as long as a container stands on them
    await hb("wait", "bare");
    await hb("rm", "bare");
  });
});

describe("names", () => {
  test("are one container's, running or ended, until it is renamed or removed", async () => {
    const id = await detached("db", "sleep", "1000");
    const taken = `The container name "/db" is already in use by container ${id.slice(0, 12)}`;
    expect(await box.failure(125, ["run", "--name", "db", busybox])).toStartWith(taken);
    expect(await box.failure(125, ["create", "--name", "db", busybox])).toStartWith(taken);
    await hb("rename", "db", "base");
    expect(await box.failure(1, ["stop", "db"])).toStartWith("No such container: db");
    await hb("stop", "-t", "0", "base");
    await hb("rename", "base", "db");
    expect(await box.failure(1, ["rename", "db", "db"])).toContain("same name");
    expect(await box.failure(1, ["rename", "db", "-"])).toContain("Cannot name");
    expect(await box.failure(125, ["run", "--name", "db", busybox])).toStartWith(taken);
    await hb("start", "db");
    expect(await hb("ps", "--format", "{{.Names}}")).toBe("db");
    await hb("rm", "-f", "db");
  });
});

describe("hb stop, kill, wait and restart", () => {
  test("stop asks first and kills in the end; what has ended is stopped already", async () => {
    const trap = "trap 'echo bye; exit 3' TERM; while :; do sleep 0.1; done";
    await detached("kind", "sh", "-c", trap);
    await detached("deaf", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done");
    expect(await hb("stop", "-t", "1", "kind", "deaf")).toBe("kind\ndeaf");
    expect(await hb("wait", "kind", "deaf")).toBe("3\n137");
    expect(await hb("stop", "kind")).toBe("kind");
    expect(await box.failure(1, ["kill", "kind"])).toBe(
      "Cannot kill container kind: it is not running",
    );
    await hb("rm", "kind", "deaf");
  });

  test("kill sends the signal that is asked for", async () => {
    await detached("usr", "sh", "-c", "trap 'exit 7' USR1; while :; do sleep 0.1; done");
    const ended = box.hb(["wait", "usr"]);
    await hb("kill", "-s", "usr1", "usr");
    expect(await ended).toMatchObject({ status: 0, stdout: "7\n" });
    expect(await box.failure(125, ["kill", "-s", "NOPE", "usr"])).toContain("no such signal");
    await hb("rm", "usr");
  });

  test("restart starts what runs and what does not", async () => {
    const id = await detached("again", "sh", "-c", "echo >> /n; sleep 1000");
    const first = supervisorOf(id);
    expect(await hb("restart", "-t", "0", "again")).toBe("again");
    expect(supervisorOf(id)).not.toBe(first);
    await hb("kill", "again");
    await hb("restart", "again");
    expect(await statusOf("again")).toBe("running");
    await hb("rm", "-f", "again");
  });

  test("a wait for what cannot come ends at once", async () => {
    const id = await detached("short", "sh", "-c", "exit 4");
    expect(await hb("wait", id)).toBe("4");
    expect(await box.failure(1, ["wait", "--condition", "running", "short"])).toContain(
      "it has ended with status 4",
    );
    expect(await box.failure(1, ["wait", "--condition", "healthy", "short"])).toContain(
      "it has no health check",
    );
    await hb("rm", "short");
  });

  test("a wait for a start ends with it", async () => {
    await hb("create", "--name", "later", ...lone, busybox, "sleep", "1000");
    const waiting = box.hb(["wait", "--condition", "running", "later"]);
    await hb("start", "later");
    expect(await waiting).toMatchObject({ status: 0 });
    await hb("rm", "-f", "later");
  });
});

test("everything that happens is told, of temporary ones as well", async () => {
  const file = box.path("store", "events");
  const from = readFileSync(file, "utf8").length;
  await hb("create", "--name", "told", ...lone, busybox, "false");
  await hb("start", "told");
  expect(await hb("wait", "told")).toBe("1");
  await hb("rename", "told", "again");
  await hb("rm", "again");
  await hb("run", ...lone, busybox, "true");
  const lines = readFileSync(file, "utf8").slice(from).trim().split("\n");
  const events = lines.map((line) => JSON.parse(line) as { action: string; name?: string });
  expect(events.map(({ action, name = "" }) => `${name} ${action}`)).toEqual([
    ...["told create", "told start", "told die", "again rename", "again destroy"],
    ...[" create", " start", " die", " destroy"],
  ]);
});

describe("hb rm", () => {
  test("removes what runs only by force, and all with --all", async () => {
    await detached("runs", "sleep", "1000");
    await hb("create", "--name", "made", ...lone, busybox, "true");
    expect(await box.failure(1, ["rm", "runs"])).toStartWith(
      "Cannot remove the container runs: container is running",
    );
    const { status, stdout } = await box.hb(["rm", "-a"]);
    expect([status, stdout.length]).toEqual([1, 65]); // the other one's id
    await hb("rm", "-af");
    expect(await hb("ps", "-aq")).toBe("");
  });

  test("two at once both succeed, or one says that there is none", async () => {
    for (let round = 0; round < 5; round++) {
      await detached("twice", "sleep", "1000");
      const both = await Promise.all([
        box.hb(["rm", "-f", "twice"]),
        box.hb(["rm", "-f", "twice"]),
      ]);
      expect(both.map(({ status }) => status)).toEqual([0, 0]);
      for (const { stderr } of both) expect(stderr).toMatch(/^(hb: No such container: [^\n]+\n)?$/);
    }
  });

  test.each([
    ["emptied", (file: string) => writeFileSync(file, "")],
    ["removed", (file: string) => rmSync(file)],
  ])("nobody waits for what runs on with a state that was %s by hand", async (_, damage) => {
    const id = await detached("harmed", "sleep", "1000");
    damage(box.path("store", "containers", id, "state.json"));
    expect(await box.failure(1, ["rm", "harmed"])).toContain("container is ");
    expect(await hb("container", "prune", "-f")).toBe("Nothing to remove");
    expect(await hb("start", "harmed")).toBe("harmed");
    expect(await hb("stop", "-t", "0", "harmed")).toBe("harmed");
    expect(await hb("inspect", "-f", "{{.State.ExitCode}}", "harmed")).toBe("137");
    await hb("start", "harmed");
    damage(box.path("store", "containers", id, "state.json"));
    await hb("rm", "-f", "harmed");
  });

  test("prune takes those that have ended and leaves those that run", async () => {
    await detached("stays", "sleep", "1000");
    await hb("create", "--name", "goes", ...lone, busybox, "true");
    expect(await hb("container", "prune", "-f")).toContain("Removed 1 container");
    expect(await hb("ps", "-a", "--format", "{{.Names}}")).toBe("stays");
    await hb("rm", "-f", "stays");
  });
});

describe("whoever is killed", () => {
  test("the supervisor takes its container along, which can be started and removed", async () => {
    const id = await detached("orphan", "sleep", "1000");
    const waiting = box.hb(["wait", "orphan"]);
    process.kill(supervisorOf(id), "SIGKILL");
    expect(await waiting).toMatchObject({ status: 0, stdout: "137\n" });
    expect(await statusOf("orphan")).toBe("exited");
    expect(await hb("inspect", "-f", "{{.State.ExitCode}}", "orphan")).toBe("137");
    await hb("start", "orphan");
    process.kill(supervisorOf(id), "SIGKILL");
    expect(await hb("wait", "orphan")).toBe("137");
    await hb("rm", "orphan");
  });

  test("hb, while it waits: nobody waits on in its place", async () => {
    const id = await detached("awaited", "sleep", "1000");
    await box.hb(["wait", "awaited"], { timeoutMs: 300 });
    const waits = () => box.command(["pgrep", "-f", `hb-init control .*${id}`]);
    while ((await waits()).status === 0) {
      // Its end takes the kernel a moment; the test's own timeout ends this.
    }
    await hb("rm", "-f", "awaited");
  });

  test("at any moment, what is left can be told, started and removed (40 times)", async () => {
    const limits = isRoot && existsSync("/sys/fs/cgroup/pids") ? ["--pids-limit", "64"] : [];
    const verbs = ["start", "restart", "stop", "kill", "wait", "rm", "rename", "run", "create"];
    const flags = [...lone, ...limits, "--stop-timeout", "0", busybox, "sleep", "1000"];
    const states: string[] = [];
    const ids = new Set<string>();
    for (let round = 0; round < 40; round++) {
      const name = `k${round}`;
      const id = await hb("run", "-q", "-d", "--name", name, ...flags);
      const verb = verbs[round % verbs.length] ?? "";
      const isNew = verb === "run" || verb === "create";
      const rest = isNew
        ? [...(verb === "run" ? ["-d"] : []), "--name", `${name}-new`, ...flags]
        : [...(verb === "rm" ? ["-f"] : []), name, ...(verb === "rename" ? [`${name}-old`] : [])];
      const delay = 1 + Math.floor(Math.random() * 30);
      const killer =
        round % 2 === 0
          ? box.command(["sh", "-c", `sleep 0.0${delay}; kill -9 ${supervisorOf(id)}`])
          : undefined;
      // The other rounds kill hb, or the one in front that it has become.
      await box.hb([verb, ...rest], { timeoutMs: killer === undefined ? delay : 10_000 });
      await killer;
      for (const line of (
        await hb("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.State}}")
      ).split("\n")) {
        const [known = "", state = ""] = line.split(" ");
        ids.add(known);
        states.push(state);
      }
    }
    expect(states.filter((state) => !/^(created|running|exited)$/.test(state))).toEqual([]);
    const names = (await hb("ps", "-a", "--format", "{{.Names}}")).split("\n");
    for (const name of names) expect(await hb("start", name)).toBe(name);
    await hb("rm", "-af");
    expect(leftOver()).toEqual({ containers: [], names: [], locks: [] });
    const { stdout } = await box.command([
      "find",
      "/sys/fs/cgroup",
      "-path",
      "*/hb/*",
      "-type",
      "d",
    ]);
    expect(stdout.split("\n").filter((path) => ids.has(basename(path).slice(0, 64)))).toEqual([]);
  }, 90_000);
});

/** What no container is there for any more. */
function leftOver() {
  const store = box.path("store");
  const held = readFileSync("/proc/locks", "latin1");
  const paths = readdirSync(store, { recursive: true, encoding: "utf8" });
  const locks = paths.filter((path) => {
    const { ino } = statSync(`${store}/${path}`, { throwIfNoEntry: false }) ?? { ino: -1 };
    return new RegExp(`:${ino} `).test(held) && !path.startsWith("layers");
  });
  return {
    containers: readdirSync(`${store}/containers`),
    names: readdirSync(`${store}/names`),
    locks,
  };
}

test("a hundred at once are all started, told and removed", async () => {
  const names = Array.from({ length: 100 }, (_, index) => `c${index}`);
  const create = (name: string) =>
    box.hb(["create", "--name", name, ...lone, busybox, "sleep", "1000"]);
  const made = await Promise.all(names.map(create));
  expect(made.filter(({ status }) => status !== 0)).toEqual([]);
  const started = await Promise.all(names.map((name) => box.hb(["start", name])));
  expect(started.filter(({ status }) => status !== 0)).toEqual([]);
  expect((await hb("ps", "-q")).split("\n")).toHaveLength(100);
  await hb("rm", "-f", ...names);
  expect(leftOver()).toEqual({ containers: [], names: [], locks: [] });
}, 60_000);

box.leavesNothingBehind();
