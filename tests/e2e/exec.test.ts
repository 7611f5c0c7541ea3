/** `hb exec`: more commands in a running container, as its equals, and gone when they should be. */

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { Box, busybox, debian, hbBinary, isRoot, testWith } from "./harness.ts";

const box = new Box();

/** A container that waits for its end; nothing of these tests is about networks. */
async function begin(name: string, ...flags: string[]): Promise<string> {
  const network = flags.includes("--network") ? [] : ["--network", "none"];
  const argv = ["run", "-qd", "--name", name, ...network, ...flags];
  const image = flags.includes("--rootfs") ? [] : [busybox];
  const { status, stdout, stderr } = await box.hb([...argv, ...image, "sleep", "100000"]);
  expect({ status, stderr: stderr.replaceAll(/^hb: notice: .*\n/gm, "") }).toEqual({
    status: 0,
    stderr: "",
  });
  return stdout.trim();
}

async function end(name: string): Promise<void> {
  expect(await box.hb(["rm", "-f", "-t", "0", name])).toMatchObject({ status: 0 });
}

/** `hb exec ARGS…` that must succeed: what it printed, without the last line end. */
async function exec(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await box.hb(["exec", ...args]);
  expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
  return stdout.replace(/\n$/, "");
}

/** Each look takes a process's time; the test's own timeout ends this. */
async function untilNoneSleeps(name: string, seconds: string): Promise<void> {
  for (;;) {
    if (!(await exec(name, "ps")).includes(`sleep ${seconds}`)) return;
  }
}

beforeAll(async () => {
  expect(await box.hb(["pull", "-q", busybox])).toMatchObject({ status: 0 });
  await begin("main", "-e", "MODE=test", "-w", "/tmp");
});

const sameness = [
  "for n in /proc/1/ns/*; do",
  '[ "$(readlink $n)" = "$(readlink /proc/self/ns/$(basename $n))" ] || echo differs $n; done',
  "lines='^(Cap|NoNewPrivs|Seccomp|Groups|Uid|Gid)'",
  'grep -E "$lines" /proc/1/status; echo; grep -E "$lines" /proc/self/status',
].join("\n");

describe("the command is the container's equal", () => {
  test.each([
    ["by default", []],
    ["with fewer rights", ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]],
    ["as another user", ["-u", "1000:1001", "--group-add", "7"]],
    ["with a read-only root", ["--read-only"]],
    ["on the host's network", ["--network", "host"]],
    ["when privileged", ["--privileged"]],
  ] as const)("%s", async (_, flags) => {
    await begin("equal", ...flags);
    const told = await exec("equal", "sh", "-c", sameness);
    const [first, own] = told.split("\n\n");
    expect(own).toBe(first);
    expect(told).not.toContain("differs");
    await end("equal");
  });

  test("in its environment, directory and limits", async () => {
    expect(await exec("-e", "MORE=1", "main", "sh", "-c", "echo $MODE $MORE $HOME; pwd")).toBe(
      "test 1 /root\n/tmp",
    );
    await begin("limited", "--ulimit", "nofile=123:456", "--init");
    expect(await exec("limited", "sh", "-c", "ulimit -n; ulimit -Hn; umask")).toBe(
      "123\n456\n0022",
    );
    await end("limited");
  });

  test("in its cgroups, where it has some of its own", async () => {
    const cgroups = ["sh", "-c", "cat /proc/1/cgroup; echo; cat /proc/self/cgroup"];
    if (isRoot) {
      await begin("bounded", "--pids-limit", "8", "-m", "64m");
      const [first, own] = (await exec("bounded", ...cgroups)).split("\n\n");
      expect(own).toBe(first);
      const bomb = "for i in $(seq 20); do sleep 30 & done; echo never";
      const { status, stderr } = await box.hb(["exec", "bounded", "sh", "-c", bomb]);
      expect(status).toBe(2);
      expect(stderr).toContain("can't fork");
      await end("bounded");
    }
  });

  test("with nothing open but its streams", async () => {
    expect(await exec("main", "sh", "-c", "echo /proc/self/fd/*")).toBe(
      "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3", // 3: the shell's listing
    );
  });

  test("also in a plain directory without a shell", async () => {
    await box.hb([
      "run",
      "-q",
      "--network",
      "none",
      "-v",
      `${box.path()}:/out`,
      busybox,
      "sh",
      ...["-c", "mkdir -p /out/root/bin /out/root/proc /out/root/dev && cp /bin/busybox /out/root"],
    ]);
    const argv = ["run", "-qd", "--name", "plain", "--network", "none"];
    const run = [...argv, "--rootfs", box.path("root"), "/busybox", "sleep", "100000"];
    expect(await box.hb(run)).toMatchObject({ status: 0 });
    expect(await exec("plain", "/busybox", "id", "-u")).toBe("0");
    await end("plain");
  });

  testWith("debian")("and whoever it is asked to be", async () => {
    const argv = ["run", "-qd", "--name", "users", "--network", "none", debian];
    expect(await box.hb([...argv, "sleep", "100000"])).toMatchObject({ status: 0 });
    expect(await exec("-u", "www-data", "users", "sh", "-c", "id; echo $HOME")).toBe(
      "uid=33(www-data) gid=33(www-data) groups=33(www-data)\n/var/www",
    );
    await end("users");
  });

  test("--privileged gives it all there is, and no filter", async () => {
    const lines = await exec(
      "--privileged",
      "main",
      "grep",
      "-E",
      "^(CapEff|Seccomp):",
      "/proc/self/status",
    );
    const [, effective = "0"] = /CapEff:\t(\w+)/.exec(lines) ?? [];
    expect(BigInt(`0x${effective}`) & (1n << 21n)).not.toBe(0n);
    expect(lines).toContain("Seccomp:\t0");
  });
});

describe("what it says", () => {
  test.each([
    ["the command's own", ["main", "sh", "-c", "exit 7"], 7],
    ["a signal's", ["main", "sh", "-c", "kill -9 $$"], 137],
  ] as const)("is %s status", async (_, args, status) => {
    expect(await box.hb(["exec", ...args])).toEqual({ status, stdout: "", stderr: "" });
  });

  test.each([
    [127, ["main", "absent"], 'exec "absent": not found in PATH'],
    [126, ["main", "/etc"], 'exec "/etc": is a directory'],
    [126, ["-u", "ghost", "main", "true"], "unable to find user ghost"],
    [127, ["-w", "/absent", "main", "true"], "enter the working directory /absent"],
    [127, ["-d", "main", "absent"], 'exec "absent": not found in PATH'],
    [125, ["-w", "absent", "main", "true"], "it is not an absolute path"],
    [1, ["nobody", "true"], "No such container: nobody"],
  ] as const)("is status %d and a line for %p", async (status, args, line) => {
    expect(await box.failure(status, ["exec", ...args])).toContain(line);
  });

  test("is status 1 for a container that has ended", async () => {
    await begin("ended");
    expect(await box.hb(["kill", "ended"])).toMatchObject({ status: 0 });
    await box.hb(["wait", "ended"]);
    expect(await box.failure(1, ["exec", "ended", "true"])).toContain("ended is not running");
    await end("ended");
  });

  test("goes through pipes and files whole, and -i is what it reads", async () => {
    const big = await box.hb(["exec", "main", "sh", "-c", "head -c 3000000 /dev/zero; echo x >&2"]);
    expect(big).toMatchObject({ status: 0, stderr: "x\n" });
    expect(big.stdout.length).toBe(3_000_000);
    const stdin = "a line\n".repeat(50_000);
    expect(await box.hb(["exec", "-i", "main", "cat"], { stdin })).toMatchObject({ stdout: stdin });
    expect(await box.hb(["exec", "main", "cat"], { stdin })).toMatchObject({ stdout: "" });
  });

  test("twenty at once do not mix", async () => {
    const numbers = Array.from({ length: 20 }, (_, i) => i + 1);
    const results = await Promise.all(
      numbers.map((n) => box.hb(["exec", "main", "sh", "-c", `echo ${n}; exit ${n}`])),
    );
    const wanted = numbers.map((n) => ({ status: n, stdout: `${n}\n`, stderr: "" }));
    expect(results).toEqual(wanted);
  });
});

describe("its end", () => {
  test("is hb's, were it killed, with all of its group", async () => {
    const script = "echo up; sleep 7654321 & sleep 7654321; true";
    const running = box.start(["exec", "main", "sh", "-c", script]);
    await running.until("up");
    running.kill("SIGKILL");
    await running.end();
    await untilNoneSleeps("main", "7654321");
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("comes by %s", async (signal) => {
    const running = box.start(["exec", "main", "sh", "-c", "echo up; sleep 7654322; true"]);
    await running.until("up");
    running.kill(signal);
    const numbers = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129 };
    expect((await running.end()).status).toBe(numbers[signal]);
    await untilNoneSleeps("main", "7654322");
  });

  test("is the command's choice where it takes the signal", async () => {
    const script = "trap 'echo told; exit 3' TERM; echo up; sleep 1000 >/dev/null 2>&1 & wait";
    const running = box.start(["exec", "main", "sh", "-c", script]);
    await running.until("up");
    running.kill("SIGTERM");
    expect(await running.end()).toMatchObject({ status: 3, stdout: "up\ntold\n" });
  });

  test("comes with the container's, which no stopped hb holds up", async () => {
    await begin("brief");
    const running = box.start(["exec", "brief", "sh", "-c", "echo up; sleep 100000"]);
    await running.until("up");
    running.kill("SIGSTOP");
    await end("brief");
    running.kill("SIGCONT");
    expect((await running.end()).status).toBe(137);
  });

  test("leaves nothing when containers end under many of them", async () => {
    for (let round = 0; round < 3; round++) {
      await begin("ending");
      const many = Array.from({ length: 12 }, () => box.hb(["exec", "ending", "sleep", "100000"]));
      await end("ending");
      for (const { status } of await Promise.all(many)) expect([1, 125, 137]).toContain(status);
    }
  });
});

describe("-d", () => {
  test("leaves the command running, and holds nobody's streams", async () => {
    const script = "while ! [ -e /tmp/go ]; do sleep 0.1; done; touch /tmp/gone";
    expect(await exec("-d", "main", "sh", "-c", script)).toBe("");
    expect(await exec("main", "sh", "-c", "touch /tmp/go; ls /tmp")).not.toContain("gone");
    await exec("main", "sh", "-c", "until [ -e /tmp/gone ]; do sleep 0.1; done");
  });

  test("with -t gives the command a terminal that somebody reads", async () => {
    const script = "tty && head -c 100000 /dev/zero && tty > /tmp/written";
    expect(await exec("-dit", "main", "sh", "-c", script)).toBe("");
    await exec("main", "sh", "-c", "until [ -s /tmp/written ]; do sleep 0.1; done");
  });

  test("leaves no zombie behind in a container that reaps none", async () => {
    await begin("few");
    for (let i = 0; i < 5; i++) await exec("-d", "few", "true");
    const states = ["sh", "-c", "grep -h ^State /proc/[0-9]*/status 2>/dev/null; true"];
    for (;;) {
      // A command that is about to end may be one for a moment.
      if (!(await exec("few", ...states)).includes("zombie")) break;
    }
    await end("few");
  });
});

describe("-it", () => {
  const size = { cols: 91, rows: 33 };
  const at = (...args: string[]) => box.onTerminal([hbBinary, "exec", "-it", ...args], size);

  test("is a terminal of the container's own, as large as the caller's", async () => {
    const terminal = at("main", "sh", "-c", "tty; stty size; echo $TERM; read x; stty size");
    await terminal.until("xterm");
    terminal.resize(120, 40);
    terminal.type("\r");
    await terminal.until("40 120");
    const { status, text } = await terminal.end();
    expect(status).toBe(0);
    expect(text).toMatch(/^\/dev\/pts\/\d+\n33 91\nxterm\n/);
  });

  test("Ctrl-C is for the program in front", async () => {
    const terminal = at("main", "sh", "-c", "trap 'echo int; exit 3' INT; echo up; read x");
    await terminal.until("up");
    terminal.type("\x03");
    expect((await terminal.end()).status).toBe(3);
  });

  test("ctrl-p ctrl-q leaves the command running", async () => {
    const script = "echo up; until [ -e /tmp/enough ]; do sleep 0.1; done; touch /tmp/outlived";
    const terminal = at("main", "sh", "-c", script);
    await terminal.until("up");
    terminal.type("\x10\x11");
    expect((await terminal.end()).status).toBe(0);
    await exec("main", "sh", "-c", "touch /tmp/enough; until [ -e /tmp/outlived ]; do :; done");
  });

  test("keys of one's own choice leave it, too", async () => {
    const keys = ["--detach-keys", "a,b"];
    const terminal = at(...keys, "main", "sh", "-c", "echo $$ > /tmp/pid; echo up; sleep 1000");
    await terminal.until("up");
    terminal.type("xab");
    expect((await terminal.end()).status).toBe(0);
    await exec("main", "sh", "-c", "kill $(cat /tmp/pid)");
  });
});

test("a container that is started again and again takes commands all the while", async () => {
  const argv = ["run", "-qd", "--name", "again", "--network", "none", "--restart", "always"];
  const id = (await box.hb([...argv, busybox, "sleep", "0.3"])).stdout.trim();
  const file = box.path("store", "containers", id, "state.json");
  const restarts = () => JSON.parse(readFileSync(file, "utf8")).hb.restartCount as number;
  let done = 0;
  while (restarts() < 3) {
    const { status } = await box.hb(["exec", "again", "true"]);
    expect([0, 1, 125, 137]).toContain(status);
    if (status === 0) done++;
  }
  expect(done).toBeGreaterThan(0);
  await end("again");
});

test("variables come from files, too", async () => {
  writeFileSync(box.path("env"), "# these\nA=1\nB=two words\n");
  expect(
    await exec("--env-file", box.path("env"), "-e", "A=3", "main", "sh", "-c", "echo $A $B"),
  ).toBe("3 two words");
});

test("the container that was there all the time goes", async () => {
  await end("main");
});

box.leavesNothingBehind();
