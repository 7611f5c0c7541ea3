/** What containers that live on have written: kept as it was, within bounds, and followed. */

import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { Box, busybox, hbBinary, rootTest } from "./harness.ts";

const box = new Box();

const hb = (...args: string[]) => box.must(...args);

const started = (script: string, ...flags: string[]) => box.started(script, ...flags);

async function removed(id: string): Promise<void> {
  await hb("rm", "-f", id);
}

function lines(from: number, to: number): string {
  const numbers = Array.from({ length: to - from + 1 }, (_, n) => from + n);
  return numbers.map((number) => `${number}\n`).join("");
}

function logFiles(id: string): string[] {
  const names = readdirSync(box.path("store", "containers", id));
  return names.filter((name) => name.startsWith("log"));
}

describe("hb logs", () => {
  test("prints both streams as they were written, the end of a last line not made up", async () => {
    const id = await started("echo one; echo two >&2; printf '\\tthree'");
    await hb("wait", id);
    expect(await box.hb(["logs", id])).toEqual({
      status: 0,
      stdout: "one\n\tthree",
      stderr: "two\n",
    });
    await removed(id);
  });

  test("joins the pieces of long lines", async () => {
    const id = await started("head -c 100000 /dev/zero | tr '\\0' x; echo; echo end");
    await hb("wait", id);
    expect(await hb("logs", id)).toBe(`${"x".repeat(100_000)}\nend\n`);
    expect(await hb("logs", "--tail", "2", id)).toBe(`${"x".repeat(100_000)}\nend\n`);
    await removed(id);
  });

  test("is of all runs, and has what a terminal was sent", async () => {
    const id = await started("echo hello", "-t");
    await hb("wait", id);
    await hb("start", id);
    await hb("wait", id);
    expect(await hb("logs", id)).toBe("hello\r\nhello\r\n");
    await removed(id);
  });

  test("shows what was written between two moments, and when", async () => {
    const id = await started("for i in 1 2 3 4; do echo $i; sleep 0.01; done");
    await hb("wait", id);
    const stamped = (await hb("logs", "-t", id)).trimEnd().split("\n");
    const form = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z \d$/;
    for (const line of stamped) expect(line).toMatch(form);
    const [second = "", third = ""] = stamped.slice(1).map((line) => line.slice(0, -2));
    expect(await hb("logs", "--since", second, "--until", third, id)).toBe("2\n3\n");
    expect(await hb("logs", "--since", "1h", id)).toBe(lines(1, 4));
    expect(await hb("logs", "--until", "1h", id)).toBe("");
    await removed(id);
  });

  test("says of what keeps no log where its output went", async () => {
    const id = await started("sleep 1000", "--log-driver", "none");
    expect(await box.failure(1, ["logs", id])).toContain("its output went to where it was run");
    await removed(id);
    expect(await box.failure(1, ["logs", "nobody"])).toContain("No such container: nobody");
  });
});

describe("a bounded log", () => {
  const bounds = ["--log-opt", "max-size=4k", "--log-opt", "max-file=3"];

  test("has no more files than it may, none of them too large, and the latest lines", async () => {
    const id = await started("seq 1 1000", ...bounds);
    await hb("wait", id);
    expect(logFiles(id).sort()).toEqual(["log", "log.1", "log.2"]);
    for (const name of logFiles(id)) {
      const { size } = statSync(box.path("store", "containers", id, name));
      expect(size).toBeLessThanOrEqual(4000);
    }
    expect(await hb("logs", "--tail", "150", id)).toBe(lines(851, 1000));
    expect(await hb("logs", id)).toEndWith(lines(851, 1000));
    await removed(id);
  });

  test("is followed through rotations without losing a line", async () => {
    const script = "read go; seq 1 20000";
    const many = ["--log-opt", "max-size=100k", "--log-opt", "max-file=100"];
    const id = await started(script, "-i", ...many);
    const following = box.hb(["logs", "-f", id]);
    await box.hb(["attach", id], { stdin: "go\n" });
    expect(await following).toEqual({ status: 0, stdout: lines(1, 20000), stderr: "" });
    expect(logFiles(id).length).toBeGreaterThan(5);
    await removed(id);
  });
});

describe("hb logs -f", () => {
  test("shows what is written when it is, and ends with the container", async () => {
    const id = await started("echo begun; while ! test -e /go; do sleep 0.05; done; echo ended");
    const following = box.start(["logs", "-f", "--tail", "1", id]);
    await following.until("begun\n");
    await hb("exec", id, "touch", "/go");
    expect(await following.end()).toEqual({ status: 0, stdout: "begun\nended\n", stderr: "" });
    expect(await hb("logs", "-f", id)).toBe("begun\nended\n");
    await removed(id);
  });

  test("goes on through restarts", async () => {
    const id = await started("echo run; sleep 0.2; exit 1", "--restart", "on-failure:2");
    expect(await hb("logs", "-f", id)).toBe("run\nrun\nrun\n");
    await removed(id);
  });

  test("ends when the supervisor is killed", async () => {
    const id = await started("echo begun; sleep 1000");
    const following = box.start(["logs", "-f", id]);
    await following.until("begun\n");
    const state = readFileSync(box.path("store", "containers", id, "state.json"), "utf8");
    process.kill(JSON.parse(state).hb.supervisor, "SIGKILL");
    expect(await following.end()).toMatchObject({ status: 0, stdout: "begun\n" });
    await removed(id);
  });

  test("ends at --until", async () => {
    const id = await started("echo begun; sleep 1000");
    expect(await hb("logs", "-f", "--until", "-1s", id)).toBe("begun\n");
    await removed(id);
  });
});

describe("a log that cannot be written", () => {
  test("stops at the limit of file sizes, and the container goes on", async () => {
    const run = `ulimit -f 2048; exec '${hbBinary}' run -q -d --network none ${busybox} "$@"`;
    const words = ["sh", "-c", "yes 0123456789 | head -c 4000000; exit 5"];
    const { status, stdout } = await box.command(["bash", "-c", run, "bash", ...words]);
    expect(status).toBe(0);
    const id = stdout.trimEnd();
    expect(await hb("wait", id)).toBe("5\n");
    const size = statSync(box.path("store", "containers", id, "log")).size;
    expect(size).toBeGreaterThan(1_900_000);
    expect(size).toBeLessThanOrEqual(2048 << 10);
    expect(await hb("logs", "--tail", "3", id)).toContain("0123456789\n");
    await removed(id);
  });

  rootTest("goes on when a full disk has room again", async () => {
    const small = box.path("small");
    mkdirSync(small);
    const env = { HB_ROOT: `${small}/store` };
    const onSmall = (...args: string[]) => box.hb(args, { env });
    const mounted = ["mount", "-t", "tmpfs", "-o", "size=16m", "hb-test", small];
    expect(await box.command(mounted)).toMatchObject({ status: 0 });
    try {
      const script = "echo early; read a; yes | head -c 20000; echo full; read b; echo late";
      const words = ["run", "-q", "-d", "-i", "--network", "none", busybox, "sh", "-c", script];
      const id = (await onSmall(...words)).stdout.trimEnd();
      const early = box.start(["logs", "-f", id], env);
      await early.until("early\n");
      await box.command(["dd", "if=/dev/zero", `of=${small}/filler`, "bs=4k"]);
      const client = box.start(["attach", id], env);
      client.stdin.write("a\n");
      client.stdin.flush();
      await client.until("full\n");
      rmSync(`${small}/filler`);
      client.stdin.write("b\n");
      client.stdin.end();
      expect(await client.end()).toMatchObject({ status: 0 });
      const { stdout } = await early.end();
      // What fits into the last block of the disk may be there, too.
      expect(stdout.replace(/^(y\n)+/m, "")).toBe("early\nlate\n");
      expect(await onSmall("logs", id)).toEqual({ status: 0, stdout, stderr: "" });
      expect(await onSmall("rm", "-f", id)).toMatchObject({ status: 0 });
    } finally {
      await box.command(["umount", small]);
    }
  });
});

box.leavesNothingBehind();
