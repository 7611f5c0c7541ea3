/** `-t`: a real terminal inside, and the caller's terminal as it was before. */

import { describe, expect, test } from "bun:test";
import { Box, busybox, hbBinary } from "./harness.ts";

const box = new Box();

const size = { cols: 91, rows: 33 };

describe("-it", () => {
  test("gives a terminal of the caller's size", async () => {
    await box.hb(["pull", "-q", busybox]);
    const argv = [hbBinary, "run", "-it", busybox, "sh", "-c", "tty; stty size; echo end"];
    const terminal = box.onTerminal(argv, size);
    await terminal.until("end");
    expect(await terminal.end()).toEqual({ status: 0, text: "/dev/pts/0\n33 91\nend\n" });
  });

  test("follows the size", async () => {
    const script = "trap 'stty size; exit 5' WINCH; sleep 1000 & echo ready; wait";
    const terminal = box.onTerminal([hbBinary, "run", "-it", busybox, "sh", "-c", script], size);
    await terminal.until("ready");
    terminal.resize(120, 40);
    await terminal.until("40 120");
    expect((await terminal.end()).status).toBe(5);
  });

  test("Ctrl-C goes to the foreground program, not to hb (H-14)", async () => {
    const script = "trap 'echo interrupted; exit 3' INT; sleep 1000 & echo ready; wait";
    const terminal = box.onTerminal([hbBinary, "run", "-it", busybox, "sh", "-c", script], size);
    await terminal.until("ready");
    terminal.type("\x03");
    await terminal.until("interrupted");
    expect((await terminal.end()).status).toBe(3);
  });

  test("an interactive shell has job control (H-14)", async () => {
    const terminal = box.onTerminal([hbBinary, "run", "-it", busybox, "sh"], size);
    await terminal.until("# ");
    terminal.type("echo a$((20+3))b; exit 4\r");
    await terminal.until("a23b");
    const { status, text } = await terminal.end();
    expect(status).toBe(4);
    expect(text).not.toContain("job control");
  });

  test.each([
    ["its own end", "exit 0", 0],
    ["a failure to start", "", 127],
  ])("puts the caller's terminal back as it was after %s", async (_, script, status) => {
    const payload = script === "" ? ["no-such-program"] : ["sh", "-c", script];
    const words = [hbBinary, "run", "-it", busybox, ...payload]
      .map((word) => `'${word}'`)
      .join(" ");
    const shell = `a=$(stty -g); ${words}; s=$?; test "$a" = "$(stty -g)" && echo same $s`;
    const terminal = box.onTerminal(["sh", "-c", shell], size);
    await terminal.until("same");
    expect((await terminal.end()).text).toEndWith(`same ${status}\n`);
  });

  test("puts the caller's terminal back when a signal ends hb", async () => {
    const payload = 'trap "exit 6" TERM; sleep 1000 & echo ready; wait';
    const words = `'${hbBinary}' run -it ${busybox} sh -c '${payload}'`;
    const shell = [
      `a=$(stty -g); sh -c 'echo pid $$; exec "$@"' sh ${words}; s=$?`,
      'test "$a" = "$(stty -g)" && echo same $s',
    ].join("\n");
    const terminal = box.onTerminal(["sh", "-c", shell], size);
    await terminal.until("ready");
    const pid = /pid (\d+)/.exec(terminal.text)?.[1];
    process.kill(Number(pid), "SIGTERM");
    await terminal.until("same 6");
    expect((await terminal.end()).status).toBe(0);
  });
});

describe("-t without a terminal", () => {
  test("still gives the payload one, with a notice", async () => {
    const run = await box.hb(["run", "-t", busybox, "sh", "-c", "tty"]);
    expect(run).toMatchObject({ status: 0, stdout: "/dev/pts/0\r\n" });
    expect(run.stderr).toMatch(/^(hb: .*terminal.*\n)?$/);
  });
});

box.leavesNothingBehind();
