/** Volumes, mounts, tmpfs, devices and the read-only root. */

import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, busybox, registry, rootTest } from "./harness.ts";

const box = new Box();
mkdirSync(box.path("data"));
writeFileSync(box.path("data", "file"), "content\n");

describe("-v", () => {
  test("shows a host directory inside, both ways", async () => {
    const script = "cat /data/file; echo new > /data/made";
    expect(await box.output("-v", `${box.path("data")}:/data`, busybox, "sh", "-c", script)).toBe(
      "content",
    );
    expect(readFileSync(box.path("data", "made"), "utf8")).toBe("new\n");
    expect(statSync(box.path("data", "made")).uid).toBe(process.getuid?.() ?? 0);
  });

  test("takes a single file", async () => {
    const volume = `${box.path("data", "file")}:/etc/motd`;
    expect(await box.output("-v", volume, busybox, "cat", "/etc/motd")).toBe("content");
  });

  test(":ro is read-only for everybody inside, and everything mounted below it too", async () => {
    const volume = `${box.path("data")}:/data:ro`;
    const run = await box.hb(["run", "-v", volume, busybox, "sh", "-c", "echo x > /data/file"]);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain("Read-only file system");
    const again = "mount -o remount,rw /data 2>/dev/null; echo x > /data/file";
    const remount = await box.hb(["run", "-v", volume, busybox, "sh", "-c", again]);
    expect(remount.status).toBe(1);
    expect(readFileSync(box.path("data", "file"), "utf8")).toBe("content\n");
  });

  test("takes a path relative to the caller's directory, and ~", async () => {
    expect(await box.output("-v", "./data:/data", busybox, "cat", "/data/file")).toBe("content");
    mkdirSync(box.path("home", "h"));
    const run = await box.hb(["run", "-v", "~/h:/h", busybox, "touch", "/h/there"]);
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expect(readFileSync(box.path("home", "h", "there"), "utf8")).toBe("");
    await box.command(["rm", "-r", box.path("home", "h")]);
  });

  test("mounts over an image's directory and over another volume (H-18)", async () => {
    mkdirSync(box.path("inner"));
    writeFileSync(box.path("inner", "x"), "inner");
    const volumes = ["-v", `${box.path("inner")}:/tmp/a`, "-v", `${box.path("data")}:/tmp`];
    mkdirSync(box.path("data", "a"));
    expect(await box.output(...volumes, busybox, "cat", "/tmp/a/x")).toBe("inner");
    expect(
      await box.output("-v", `${box.path("data")}:/dev/data`, busybox, "cat", "/dev/data/file"),
    ).toBe("content");
  });

  test("a missing source is an error that names it, and nothing is made", async () => {
    const message = await box.failure(125, [
      "run",
      "-v",
      `${box.path("absent")}:/x`,
      busybox,
      "true",
    ]);
    expect(message).toContain("absent");
  });

  test.each(["a:b:c:d", "/a:relative", "/a:/b:bogus", ":/b"])(
    "refuses %s in one line that quotes it",
    async (volume) => {
      const message = await box.failure(125, ["run", "-v", volume, busybox, "true"]);
      expect(message).toContain(volume);
    },
  );

  test("a volume's target is inside the image, whatever links the image has (H-9)", async () => {
    mkdirSync(box.path("outside"));
    writeFileSync(box.path("outside", "mine"), "untouched");
    const link = { name: "data", link: box.path("outside") };
    const shell = layer([{ name: "bin/" }]);
    await pushImage(registry, "link:1", [
      shell,
      layer([link, { name: "up", link: "../../../../.." }]),
    ]);
    const run = await box.hb([
      "run",
      "-q",
      "-v",
      `${box.path("data")}:/data/sub`,
      `${registry}/link:1`,
      "x",
    ]);
    expect([125, 127]).toContain(run.status);
    expect((await box.command(["ls", box.path("outside")])).stdout).toBe("mine\n");
  });
});

describe("--mount and --tmpfs", () => {
  test("--mount type=bind is -v spelled out", async () => {
    const mount = `type=bind,source=${box.path("data")},target=/data,readonly`;
    const run = await box.hb([
      "run",
      "--mount",
      mount,
      busybox,
      "sh",
      "-c",
      "cat /data/file; : > /data/n",
    ]);
    expect(run).toMatchObject({ status: 1, stdout: "content\n" });
  });

  test("--mount type=tmpfs and --tmpfs take size and mode", async () => {
    const script = "stat -c %a /scratch; df -m /scratch | tail -1 | awk '{print $2}'";
    const mount = "type=tmpfs,target=/scratch,tmpfs-size=8m,tmpfs-mode=1770";
    expect(await box.output("--mount", mount, busybox, "sh", "-c", script)).toBe("1770\n8");
    expect(
      await box.output("--tmpfs", "/scratch:size=4m,mode=700", busybox, "sh", "-c", script),
    ).toBe("700\n4");
  });

  test("--tmpfs is noexec unless exec is asked for", async () => {
    const script = "cp /bin/busybox /s/echo; /s/echo ran";
    expect((await box.hb(["run", "--tmpfs", "/s", busybox, "sh", "-c", script])).status).toBe(126);
    expect(await box.output("--tmpfs", "/s:exec", busybox, "sh", "-c", script)).toBe("ran");
  });

  test.each(["type=bind", "type=floppy,target=/x", "source=/a,targte=/b"])(
    "refuses --mount %s in one line",
    async (mount) => {
      await box.failure(125, ["run", "--mount", mount, busybox, "true"]);
    },
  );

  test("--shm-size sets the size of /dev/shm, 64 MB by default", async () => {
    const script = "df -m /dev/shm | tail -1 | awk '{print $2}'";
    expect(await box.output(busybox, "sh", "-c", script)).toBe("64");
    expect(await box.output("--shm-size", "16m", busybox, "sh", "-c", script)).toBe("16");
  });
});

describe("--read-only", () => {
  test("no file of the root can be changed, /dev/shm and volumes can", async () => {
    const script = "echo x > /dev/shm/a; echo x > /data/ro-ok; echo x > /etc/mark";
    const flags = ["--read-only", "-v", `${box.path("data")}:/data`];
    const run = await box.hb(["run", ...flags, busybox, "sh", "-c", script]);
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/\/etc\/mark.*Read-only file system/);
    expect(readFileSync(box.path("data", "ro-ok"), "utf8")).toBe("x\n");
  });

  test("an image's VOLUME stays writable and keeps the image's files (H-18)", async () => {
    const files = layer([
      { name: "bin/" },
      { name: "store/" },
      { name: "store/seed", data: "seed" },
    ]);
    const config = { Volumes: { "/store": {} }, Env: ["PATH=/bin"] };
    await pushImage(registry, "volume:1", [busyboxLayer(), files], { config });
    const script = "cat /store/seed; echo more > /store/new && echo fine";
    expect(await box.output("--read-only", `${registry}/volume:1`, "sh", "-c", script)).toBe(
      "seedfine",
    );
  });
});

describe("--device", () => {
  test("gives a device of the host that its user may use", async () => {
    chmodSync(box.path("data"), 0o755);
    const script = "test -c /dev/mine && head -c 4 /dev/mine | wc -c";
    const text = await box.output("--device", "/dev/zero:/dev/mine", busybox, "sh", "-c", script);
    expect(text).toBe("4");
  });

  test("a device that is none, or is missing, is named", async () => {
    expect(await box.failure(125, ["run", "--device", "/etc/passwd", busybox, "true"])).toContain(
      "/etc/passwd",
    );
    expect(await box.failure(125, ["run", "--device", "/dev/nope", busybox, "true"])).toContain(
      "/dev/nope",
    );
  });

  rootTest("a root container cannot reach a disk by making its node", async () => {
    const script = "mknod /tmp/d b 8 0; head -c 1 /tmp/d; mknod /tmp/m c 1 1; head -c 1 /tmp/m";
    const run = await box.hb(["run", busybox, "sh", "-c", script]);
    expect(run).toMatchObject({ status: 1, stdout: "" });
    expect(run.stderr).toMatch(/Permission denied|Operation not permitted/);
  });
});

describe("a source with locked flags (H-19)", () => {
  test("can be mounted, and keeps them", async () => {
    const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
    const flagsOf = (line: string | undefined) => line?.split(" ")[3]?.split(",") ?? [];
    const locked = flagsOf(mounts.find((line) => line.split(" ")[1] === "/dev/shm")).filter(
      (flag) => ["nosuid", "noexec", "nodev"].includes(flag),
    );
    const flags = ["-v", "/dev/shm:/host-shm:ro"];
    const inside = await box.output(...flags, busybox, "grep", " /host-shm ", "/proc/mounts");
    expect(flagsOf(inside)).toEqual(expect.arrayContaining([...locked, "ro", "nodev"]));
  });
});

box.leavesNothingBehind();
