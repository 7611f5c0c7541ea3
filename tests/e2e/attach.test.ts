/** Following a running container: seeing it, typing to it, and leaving it without ending it. */

import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { Box, busybox, hbBinary } from "./harness.ts";

const box = new Box();
const size = { cols: 91, rows: 33 };

const hb = (...args: string[]) => box.must(...args);

const started = (script: string, ...flags: string[]) => box.started(script, ...flags);

/** Until /go is there: who sees this has attached. */
const ticking = "while ! test -e /go; do echo tick; sleep 0.02; done";

async function removed(id: string): Promise<void> {
  await hb("rm", "-f", id);
}

async function statusOf(id: string): Promise<string> {
  const listed = await hb("ps", "-a", "--filter", `id=${id}`, "--format", "{{.State}}");
  return listed.trimEnd();
}

describe("on a terminal, hb attach", () => {
  test("has the keys that leave the container running, and can come back", async () => {
    const id = await started("exec sh", "-it");
    const first = box.onTerminal([hbBinary, "attach", id], size);
    await first.until("# ");
    first.type("stty size; echo he''re\n");
    await first.until("here");
    expect(first.text).toContain("33 91");
    first.type("\x10");
    first.type("\x11");
    expect(await first.end()).toMatchObject({ status: 0 });
    expect(first.text).toContain("read escape sequence");
    expect(await statusOf(id)).toBe("running");

    const second = box.onTerminal([hbBinary, "attach", "--detach-keys", "ctrl-x,d", id], size);
    await second.until("# ");
    second.resize(120, 40);
    second.type("\x10\x11\x18c"); // none of these are its keys
    second.type("\x15stty size\n");
    await second.until("40 120");
    second.type("exit 7\n");
    expect(await second.end()).toMatchObject({ status: 7 });
    await removed(id);
  });

  test("ends alone at Ctrl-C where signals are not passed on", async () => {
    const id = await started(ticking);
    const terminal = box.onTerminal([hbBinary, "attach", "--sig-proxy=false", id], size);
    await terminal.until("tick");
    terminal.type("\x03");
    expect(await terminal.end()).toMatchObject({ status: 130 });
    expect(await statusOf(id)).toBe("running");
    await removed(id);
  });
});

describe("hb attach", () => {
  test("shows everybody the same, and ends with the container's status", async () => {
    const id = await started(`${ticking}; read end; echo out; echo err >&2; exit 9`, "-i");
    const others = [1, 2].map(() => box.start(["attach", "--no-stdin", id]));
    for (const other of others) await other.until("tick\n");
    await hb("exec", id, "touch", "/go");
    const sender = await box.hb(["attach", id], { stdin: "end\n" });
    expect(sender).toMatchObject({ status: 9, stderr: "err\n" });
    for (const other of others) {
      const { status, stdout, stderr } = await other.end();
      expect({ status, stderr }).toEqual({ status: 9, stderr: "err\n" });
      expect(stdout.replace(/^(tick\n)+/, "")).toBe("out\n");
    }
    await removed(id);
  });

  test("sends input that does not end with its sender, as docker's run -d -i", async () => {
    const id = await started("while read line; do echo got $line; done; echo ended", "-i");
    for (const word of ["one", "two"]) {
      const client = box.start(["attach", id]);
      client.stdin.write(`${word}\n`);
      client.stdin.end();
      await client.until(`got ${word}\n`);
      client.kill("SIGKILL");
      await client.end();
    }
    expect(await hb("logs", id)).toBe("got one\ngot two\n");
    await removed(id);
  });

  test("passes signals on", async () => {
    const id = await started(`trap 'echo told; exit 3' TERM; ${ticking}`);
    const client = box.start(["attach", id]);
    await client.until("tick");
    client.kill("SIGTERM");
    const { status, stdout } = await client.end();
    expect(status).toBe(3);
    expect(stdout).toEndWith("told\n");
    await removed(id);
  });

  test("is let go when it reads nothing, and does not hold up the container", async () => {
    const many = "yes 0123456789 | head -c 3000000";
    const id = await started(`${ticking}; read end; ${many}; exit 4`, "-i");
    const fifo = box.path("fifo");
    await box.command(["mkfifo", fifo]);
    // For reading as well, so that neither end waits for the other; nobody does read.
    const unread = openSync(fifo, "r+");
    const argv = [hbBinary, "attach", "--no-stdin", id];
    const streams = { stdin: "ignore", stdout: unread, stderr: "ignore" } as const;
    const stuck = Bun.spawn(argv, { env: box.env(), ...streams });
    readSync(unread, Buffer.alloc(1));
    const reader = box.start(["attach", id]);
    await reader.until("tick\n");
    await hb("exec", id, "touch", "/go");
    reader.stdin.write("end\n");
    reader.stdin.end();
    const { status, stdout } = await reader.end();
    expect(status).toBe(4);
    expect(stdout.replace(/^(tick\n)+/, "").length).toBe(3_000_000);
    stuck.kill("SIGKILL");
    await stuck.exited;
    closeSync(unread);
    rmSync(fifo);
    await removed(id);
  });

  test("tells of a supervisor that was killed", async () => {
    const id = await started(ticking);
    const client = box.start(["attach", id]);
    await client.until("tick");
    const state = readFileSync(box.path("store", "containers", id, "state.json"), "utf8");
    process.kill(JSON.parse(state).hb.supervisor, "SIGKILL");
    const { status, stderr } = await client.end();
    expect(status).toBe(137);
    expect(stderr).toMatch(/^hb: follow the container: its supervisor was killed[^\n]*\n$/);
    await removed(id);
  });

  test("refuses what does not run, and keys that are none", async () => {
    const id = await started("true");
    await hb("wait", id);
    expect(await box.failure(1, ["attach", id])).toContain("is not running");
    const keys = ["attach", "--detach-keys", "ctrl-,", id];
    expect(await box.failure(125, keys)).toContain("--detach-keys");
    await removed(id);
  });
});

describe("hb start -a", () => {
  test("misses nothing, from the first byte to the last", async () => {
    const id = await started("seq 1 100000; echo last >&2; exit 6");
    await hb("wait", id);
    const { status, stdout, stderr } = await box.hb(["start", "-a", id]);
    expect({ status, stderr }).toEqual({ status: 6, stderr: "last\n" });
    expect(stdout.length).toBe(588_895);
    await removed(id);
  });

  test("ends the payload's input with its own", async () => {
    const id = (await hb("create", "-q", "-i", "--network", "none", busybox, "cat")).trimEnd();
    const input = "x".repeat(300_000);
    const result = await box.hb(["start", "-ai", id], { stdin: input });
    expect(result).toEqual({ status: 0, stdout: input, stderr: "" });
    await removed(id);
  });

  test("says why a payload cannot start, once", async () => {
    const id = (await hb("create", "-q", "--network", "none", busybox, "/absent")).trimEnd();
    expect(await box.failure(127, ["start", "-a", id])).toContain("/absent");
    await removed(id);
  });
});

box.leavesNothingBehind();
