/** `hb diff` and `hb export`: what a container has changed, and all that it has. */

import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { Box, busybox, hbBinary } from "./harness.ts";

const box = new Box();
const volume = box.path("volume");
const changes = `echo x > /etc/new; chmod 700 /tmp; rm /bin/vi; mkdir -p /made/below
  echo y > /made/below/file; rm -r /home; mkdir /home; rm -r /var; ln -s made /var
  touch /etc/passwd; echo here > /volume/file; mv /usr/sbin /usr/moved; chown 5 /root`;
const wanted = [
  ...["C /bin", "D /bin/vi", "C /etc", "A /etc/new", "C /etc/passwd", "A /made", "A /made/below"],
  ...["A /made/below/file", "C /root", "C /tmp", "C /usr", "A /usr/moved", "D /usr/sbin", "C /var"],
];

const must = (...args: string[]) => box.must(...args);

async function sh(script: string, ...args: string[]) {
  return await box.command(["bash", "-c", `set -o pipefail; ${script}`, hbBinary, ...args]);
}

beforeAll(async () => {
  mkdirSync(volume);
  writeFileSync(`${volume}/file`, "here");
  const flags = ["-q", "--name", "ended", "--rm=false", "-v", `${volume}:/volume`];
  await must("run", ...flags, busybox, "sh", "-c", changes);
});

describe("hb diff", () => {
  test("tells what was added, changed and deleted, sorted", async () => {
    expect((await must("diff", "ended")).trimEnd().split("\n")).toEqual(wanted);
  });

  test("tells the same while the container runs", async () => {
    const script = `${changes}; echo ready; exec sleep 1000`;
    const flags = ["-q", "--rm=false", "--name", "running", "-v", `${volume}:/volume`];
    await box.start(["run", ...flags, busybox, "sh", "-c", script]).until("ready");
    expect((await must("diff", "running")).trimEnd().split("\n")).toEqual(wanted);
  });

  test("tells nothing of a container that did nothing, whatever was mounted in it", async () => {
    const mounts = ["-v", `${volume}:/a/b/c`, "-v", `${volume}/file:/etc/f`, "--tmpfs", "/run/t"];
    await must("run", "-q", "--rm=false", "--name", "idle", ...mounts, busybox, "true");
    expect(await must("diff", "idle")).toBe("");
    await must("create", "-q", "--name", "created", busybox);
    expect(await must("diff", "created")).toBe("");
  });

  test("tells what was written where only hb had made something", async () => {
    writeFileSync(box.path("x"), "x");
    await must("rm", "idle");
    await must("create", "-q", "--name", "idle", "-v", `${volume}:/a/b/c`, busybox);
    await must("cp", box.path("x"), "idle:/a/x");
    expect(await must("diff", "idle")).toBe("A /a\nA /a/x\n");
  });

  test("says that a directory has no image to be compared with", async () => {
    const rootfs = box.path("rootfs");
    mkdirSync(rootfs);
    await must("cp", "ended:/bin", `${rootfs}/bin`);
    await must("run", "--rm=false", "--name", "plain", "--rootfs", rootfs, "/bin/true");
    expect(await box.failure(1, ["diff", "plain"])).toContain("no image beneath it");
    expect(await box.failure(1, ["diff", "none"])).toContain("No such container: none");
  });
});

describe("hb export", () => {
  test("writes the container's own files, and mount points empty", async () => {
    const list = await sh('"$0" export ended | tar t');
    expect(list.status).toBe(0);
    const names = list.stdout.trimEnd().split("\n");
    for (const name of ["etc/new", "made/below/file", "usr/moved/", "volume/", "etc/hosts"]) {
      expect(names).toContain(name);
    }
    for (const name of ["volume/file", "bin/vi", "usr/sbin/", "./", "/"]) {
      expect(names).not.toContain(name);
    }
    expect(names.filter((name) => /^(proc|sys|dev)\/./.test(name))).toEqual([]);
  });

  test("gives a root that runs as it did, from a running container too", async () => {
    mkdirSync(box.path("again"));
    const extracted = await sh(
      '"$0" export running | tar x -C "$1" --no-same-owner',
      box.path("again"),
    );
    expect(extracted).toMatchObject({ status: 0, stderr: "" });
    const cat = ["run", "--rootfs", box.path("again"), "cat", "/made/below/file"];
    expect(await must(...cat)).toBe("y\n");
  });

  test("writes to a file whole or not at all", async () => {
    const to = box.path("exported");
    mkdirSync(to);
    await must("export", "-o", `${to}/tar`, "ended");
    expect(statSync(`${to}/tar`).size).toBeGreaterThan(1_000_000);
    const failed = await box.failure(1, ["export", "-o", `${to}/none/tar`, "ended"]);
    expect(failed).toContain("no such file or directory");
    expect(await box.failure(1, ["export", "-o", to, "ended"])).toContain("is a directory");
    const { status } = await sh('ulimit -f 100; "$0" export -o "$1/cut" ended', to);
    expect(status).toBe(1);
    expect(readdirSync(to)).toEqual(["tar"]);
    expect(existsSync(`${to}/cut`)).toBe(false);
  });

  test("ends when nobody reads it any more", async () => {
    const { status, stderr } = await sh('"$0" export ended | head -c 1 > /dev/null');
    expect({ status, stderr }).toEqual({ status: 141, stderr: "" });
  });

  test("the containers go", async () => {
    await must("rm", "-f", "ended", "running", "idle", "created", "plain");
  });
});

box.leavesNothingBehind();
