/** `--rootfs DIR`: a plain directory instead of an image. */

import { beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, symlinkSync } from "node:fs";
import { Box } from "./harness.ts";

const box = new Box();
const rootfs = box.path("rootfs");

beforeAll(() => {
  mkdirSync(`${rootfs}/bin`, { recursive: true });
  copyFileSync(Bun.which("busybox") ?? "/bin/busybox", `${rootfs}/bin/busybox`);
  for (const applet of ["sh", "cat", "echo", "id"])
    symlinkSync("busybox", `${rootfs}/bin/${applet}`);
});

describe("--rootfs", () => {
  test("runs a command in the directory, as it is", async () => {
    expect(await box.output("--rootfs", rootfs, "echo", "plain")).toBe("plain");
    await box.output("--rootfs", rootfs, "sh", "-c", "echo made > /here");
    expect(existsSync(`${rootfs}/here`)).toBe(true);
  });

  test("runs /bin/sh when no command is given", async () => {
    const run = await box.hb(["run", "-i", "--rootfs", rootfs], { stdin: "echo from the shell" });
    expect(run).toMatchObject({ status: 0, stdout: "from the shell\n" });
  });

  test("takes the same flags as an image", async () => {
    const flags = ["--read-only", "-e", "A=b", "-u", "12:34", "-w", "/bin"];
    const script = "echo $A; pwd; id -u; echo x > /f || echo refused";
    const run = await box.hb(["run", ...flags, "--rootfs", rootfs, "sh", "-c", script]);
    expect(run.stdout).toBe("b\n/bin\n12\nrefused\n");
  });

  test("a directory that is missing, or is none, is one line and 125", async () => {
    expect(await box.failure(125, ["run", "--rootfs", box.path("absent")])).toContain("absent");
    const file = `${rootfs}/bin/busybox`;
    expect(await box.failure(125, ["run", "--rootfs", file])).toContain(file);
  });
});

box.leavesNothingBehind();
