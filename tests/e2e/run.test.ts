/** `hb run`: what the payload gets, and what becomes of its output and its end. */

import { describe, expect, test } from "bun:test";
import { layer, pushImage } from "../setup/image.ts";
import { Box, busybox, registry } from "./harness.ts";

const box = new Box();

describe("hb run", () => {
  test("pulls an image it does not have, says so on stderr, and runs it", async () => {
    const run = await box.hb(["run", busybox, "echo", "hello"]);
    expect(run).toMatchObject({ status: 0, stdout: "hello\n" });
    expect(run.stderr).toContain("Pull complete");
  });

  test("says nothing of its own once the image is there", async () => {
    const run = await box.hb(["run", busybox, "echo", "hello"]);
    expect(run).toEqual({ status: 0, stdout: "hello\n", stderr: "" });
  });

  test("gives the container's flags to the container, not to hb", async () => {
    expect(await box.output(busybox, "echo", "--rm", "-it", "--network")).toBe(
      "--rm -it --network",
    );
  });

  test.each([0, 1, 3, 124, 255])("ends with the payload's own status %i", async (status) => {
    const run = await box.hb(["run", busybox, "sh", "-c", `exit ${status}`]);
    expect(run.status).toBe(status);
  });

  test("ends with 128+n when a signal ended the payload", async () => {
    // A pid 1 ignores signals without a handler, so one process further down is killed (H-15).
    const run = await box.hb(["run", "--init", busybox, "sh", "-c", "kill -SEGV $$"]);
    expect(run.status).toBe(139);
  });

  test("ends with 127 and one line when the program is not in the image (H-16)", async () => {
    const message = await box.failure(127, ["run", busybox, "no-such-program"]);
    expect(message).toContain("no-such-program");
  });

  test("ends with 126 and one line when the program cannot be executed (H-16)", async () => {
    const message = await box.failure(126, ["run", busybox, "/etc/passwd"]);
    expect(message).toContain("/etc/passwd");
  });

  test("finds programs by the image's PATH, not by the caller's (H-16)", async () => {
    await pushImage(registry, "path:1", [layer([{ name: "opt/" }])], {
      config: { Env: ["PATH=/nowhere"], Cmd: ["sh"] },
    });
    const message = await box.failure(127, ["run", "-q", `${registry}/path:1`]);
    expect(message).toContain("sh");
  });

  test("keeps standard output and standard error apart", async () => {
    const run = await box.hb(["run", busybox, "sh", "-c", "echo out; echo err >&2"]);
    expect(run).toEqual({ status: 0, stdout: "out\n", stderr: "err\n" });
  });

  test("gives the payload an empty standard input without -i", async () => {
    const run = await box.hb(["run", busybox, "cat"], { stdin: "not for you" });
    expect(run).toEqual({ status: 0, stdout: "", stderr: "" });
  });

  test("passes standard input with -i, to its end", async () => {
    const run = await box.hb(["run", "-i", busybox, "wc", "-c"], { stdin: "x".repeat(100_000) });
    expect(run).toMatchObject({ status: 0, stdout: "100000\n" });
  });

  test("carries 100 MB each way unharmed", async () => {
    const block = crypto.getRandomValues(new Uint8Array(65_536));
    const stdin = new Blob(Array.from({ length: 1600 }, () => block));
    const hash = new Bun.CryptoHasher("sha256");
    for (let n = 0; n < 1600; n++) hash.update(block);
    const script = "tee /dev/stderr | sha256sum";
    const run = await box.command(
      [
        "sh",
        "-c",
        '"$@" 2>&1 >"$TMPDIR/sum" | sha256sum; cat "$TMPDIR/sum"; rm "$TMPDIR/sum"',
      ].concat(["sh", process.env.HB_TEST_BIN ?? "hb", "run", "-i", busybox, "sh", "-c", script]),
      { stdin },
    );
    const line = `${hash.digest("hex")}  -\n`;
    expect(run).toMatchObject({ status: 0, stdout: line + line });
  });

  test("lets the container write into a private layer that goes with it", async () => {
    expect(await box.output(busybox, "sh", "-c", "echo mine > /etc/mark; cat /etc/mark")).toBe(
      "mine",
    );
    expect((await box.hb(["run", busybox, "cat", "/etc/mark"])).status).toBe(1);
  });

  test("runs many containers of one image at the same time", async () => {
    const runs = Array.from({ length: 8 }, (_, n) => box.output(busybox, "echo", String(n)));
    expect(await Promise.all(runs)).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
  });
});

box.leavesNothingBehind();
