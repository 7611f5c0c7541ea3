/** `hb cp`: files into and out of containers, whatever is in the way. */

import { beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  watch,
  writeFileSync,
} from "node:fs";
import { Box, busybox, hbBinary, isRoot, rootTest } from "./harness.ts";

const box = new Box();
const volume = box.path("volume");
const secret = box.path("secret");

/** What every container has been given by its own command. */
const content = [
  "mkdir -p /d/sub /t/dir; echo one > /d/one; echo two > /d/sub/two; ln -s one /d/link",
  `ln -s /etc /out; ln -s ../../../../../../..${secret} /escape; ln -s ${box.path()} /folder`,
  "ln -s /d /to-d; ln -s loop /loop; echo mine > /etc/mine; mkfifo /d/sub/fifo",
].join("; ");

/** Containers with that content: one that has ended, one that runs. */
const lives = ["ended", "running"] as const;

const must = (...args: string[]) => box.must(...args);

/** Every file below a folder, with what a copy must keep. */
async function listing(folder: string): Promise<string> {
  const script = `cd "$0" && find . ! -name . -printf '%P %y %m %s %l %T@ %n\\n' | sort;
    find . -type f -exec sha256sum {} + | sort`;
  const { stdout } = await box.command(["sh", "-c", script, folder]);
  // A directory's size is its file system's business.
  return stdout.replaceAll(/^(.* d \d+) \d+ {2}(\S+) \d+$/gm, "$1 $2");
}

/** Waits until something holds that a change in the folder can make so. */
async function until(folder: string, holds: () => boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    const check = () => {
      if (!holds()) return;
      watcher.close();
      resolve();
    };
    const watcher = watch(folder, check);
    check();
  });
}

beforeAll(async () => {
  mkdirSync(volume);
  writeFileSync(secret, "secret\n");
  writeFileSync(box.path("file"), "a file\n");
  await must("pull", "-q", busybox);
  const flags = ["-q", "-v", `${volume}:/volume`, "-v", `${volume}:/fixed:ro`];
  await must("run", "--rm=false", "--name", "ended", ...flags, busybox, "sh", "-c", content);
  const script = `${content}; echo ready; exec sleep 1000`;
  const running = ["--rm=false", "--name", "running", ...flags, busybox, "sh", "-c", script];
  await box.start(["run", ...running]).until("ready");
});

/** A tree of everything that files can be. */
async function makeTree(folder: string): Promise<void> {
  const script = `mkdir -p "$0/a/empty" "$0/ü" && cd "$0" && umask 0
    head -c 3000000 /dev/urandom > a/random; ln a/random a/hard; : > a/zero
    echo x > "a/$(printf 'long%.0s' $(seq 60))"; echo y > 'ü/two  words'; ln -s ../none a/dangling
    mkdir -p "$(printf 'deep/%.0s' $(seq 60))"; echo z > "$(printf 'deep/%.0s' $(seq 60))/z"
    echo s > a/program; chmod 755 a/program; chmod 1777 a/empty; echo r > a/read-only
    chmod 444 a/read-only; touch -d '2001-02-03 04:05:06.789012345 UTC' a/zero ü; mkfifo a/fifo
    touch -d '1969-12-31 23:59:58.5 UTC' a/random; truncate -s 5M a/sparse; chmod 500 a`;
  expect(await box.command(["bash", "-c", script, folder])).toMatchObject({ status: 0 });
}

for (const name of lives) {
  describe(`of a container that ${name === "ended" ? "has ended" : "runs"}`, () => {
    test("a tree goes in and comes back as it was", async () => {
      const [source, back] = [box.path(`source-${name}`), box.path(`back-${name}`)];
      await makeTree(source);
      await must("cp", source, `${name}:/tree`);
      await must("cp", `${name}:/tree`, back);
      expect(await listing(back)).toBe(await listing(source));
      await box.command(["chmod", "-R", "u+w", source, back]);
    });

    test("files are root's inside and the caller's outside", async () => {
      await must("cp", box.path("file"), `${name}:/d/sub/owned`);
      const { stdout } = await box.command([
        ...["sh", "-c", '"$0" cp "$1:/d/sub/owned" - | tar tvn --numeric-owner', hbBinary, name],
      ]);
      expect(stdout).toMatch(/ 0\/0 /);
      await must("cp", `${name}:/d/sub/owned`, box.path(`owned-${name}`));
      const { uid, gid } = lstatSync(box.path(`owned-${name}`));
      expect(`${uid} ${gid}`).toBe(`${process.getuid?.()} ${process.getgid?.()}`);
    });

    test("what the source is called, and what is there, decide where it goes", async () => {
      const to = box.path(`rules-${name}`);
      mkdirSync(to);
      writeFileSync(`${to}/there`, "old");
      const copied = async (from: string, destination: string, ...result: string[]) => {
        await must("cp", `${name}:${from}`, `${to}/${destination}`);
        for (const path of result) lstatSync(`${to}/${path}`);
      };
      await copied("/d/one", "new", "new");
      await copied("/d/one", "", "one");
      await copied("d/one", "there", "there");
      expect(readFileSync(`${to}/there`, "utf8")).toBe("one\n");
      await copied("/d/sub", "fresh", "fresh/two");
      await copied("/d/sub/", "fresh", "fresh/sub/two");
      await copied("/d/sub/.", "fresh/sub", "fresh/sub/two");
      await copied("/d/.", "", "sub/two");
      await copied("/to-d", "", "to-d");
      expect(lstatSync(`${to}/to-d`).isSymbolicLink()).toBe(true);
      await copied("/to-d/", "by-slash", "by-slash/sub/two");
      const failing = (from: string, at: string) =>
        box.failure(1, ["cp", `${name}:${from}`, `${to}/${at}`]);
      expect(await failing("/d/sub", "there")).toContain("cannot be copied onto a file");
      expect(await failing("/d/one", "none/")).toContain("there is no directory");
      expect(await failing("/d/one", "none/new")).toContain("there is no directory");
      expect(await failing("/d/none", "x")).toContain('there is no "/d/none"');
      expect(await failing("/d/one/", "x")).toContain("not a directory");
    });

    test("the same holds the other way round", async () => {
      const from = box.path(`into-${name}`);
      mkdirSync(`${from}/sub`, { recursive: true });
      writeFileSync(`${from}/sub/x`, "x");
      symlinkSync("sub", `${from}/link`);
      const copied = async (source: string, destination: string, result: string) => {
        await must("cp", `${from}/${source}`, `${name}:${destination}`);
        await must("cp", `${name}:${result}`, box.path("result"));
      };
      await copied("sub/x", "/t/new", "/t/new");
      await copied("sub/x", "/t/dir", "/t/dir/x");
      await copied("sub", "/t/dir", "/t/dir/sub/x");
      await copied("sub/.", "/t", "/t/x");
      await copied("sub", "/t/made", "/t/made/x");
      await copied("sub/x", "/to-d", "/d/x");
      await copied("link/", "/t/by-slash", "/t/by-slash/x");
      const failing = (source: string, at: string) =>
        box.failure(1, ["cp", `${from}/${source}`, `${name}:${at}`]);
      expect(await failing("sub", "/etc/mine")).toContain("cannot be copied onto a file");
      expect(await failing("sub/x", "/none/")).toContain("there is no directory");
      expect(await failing("sub/x", "/none/new")).toContain("no such file or directory");
      expect(await failing("none", "/t")).toContain("there is no");
      expect(await failing("sub/x", "/loop")).toContain("too many levels of symbolic links");
    });

    test("with -L it is what a link leads to, under the link's name", async () => {
      await must("cp", "-L", `${name}:/d/link`, box.path(`followed-${name}`));
      expect(readFileSync(box.path(`followed-${name}`), "utf8")).toBe("one\n");
      symlinkSync(box.path("file"), box.path(`link-${name}`));
      await must("cp", "-L", box.path(`link-${name}`), `${name}:/d/`);
      await must("cp", `${name}:/d/link-${name}`, box.path(`linked-${name}`));
      expect(lstatSync(box.path(`linked-${name}`)).isFile()).toBe(true);
    });

    test("no link of the container leads to a file of this machine", async () => {
      for (const path of ["/escape", "/folder/secret", "/out/../escape"]) {
        const failed = await box.failure(1, ["cp", "-L", `${name}:${path}`, box.path("stolen")]);
        expect(failed).toMatch(/there is no|no such file/);
      }
      await must("cp", `${name}:/out/mine`, box.path("mine"));
      await must("cp", box.path("file"), `${name}:/out/written`);
      expect(existsSync("/etc/written")).toBe(false);
      await box.failure(1, ["cp", box.path("file"), `${name}:/folder/written`]);
      expect(existsSync(box.path("written"))).toBe(false);
      await box.failure(1, ["cp", box.path("file"), `${name}:/escape`]);
      expect(readFileSync(secret, "utf8")).toBe("secret\n");
    });

    test("no link of this machine is followed below the destination", async () => {
      const to = box.path(`links-${name}`);
      mkdirSync(`${to}/elsewhere`, { recursive: true });
      symlinkSync("elsewhere", `${to}/d`);
      const failed = await box.failure(1, ["cp", `${name}:/d`, to]);
      expect(failed).toContain("a directory cannot take the place of a file");
      expect(existsSync(`${to}/elsewhere/one`)).toBe(false);
    });

    test("an archive goes in and comes out by way of a dash", async () => {
      const script = `set -e; cd "$2"; mkdir -p "in-$1/x"; echo archived > "in-$1/x/y"
        tar c --owner=7 --group=8 --numeric-owner "in-$1" | "$0" cp - "$1:/t"
        "$0" cp "$1:/t/in-$1" - | tar tv --numeric-owner`;
      const { status, stdout } = await box.command([
        ...["bash", "-c", script, hbBinary, name, box.path()],
      ]);
      expect(status).toBe(0);
      expect(stdout).toMatch(new RegExp(`^-.* 7/8 .* in-${name}/x/y$`, "m"));
      const failed = await box.failure(1, ["cp", "-", `${name}:/etc/mine`], { stdin: "" });
      expect(failed).toContain("no directory");
    });

    test("an archive's names stay below the destination", async () => {
      const script = `cd "$0"; mkdir -p names/a; echo x > names/x; cd names/a; tar cPf - ../x`;
      const { stdout } = await box.command(["sh", "-c", script, box.path()]);
      const failed = await box.failure(1, ["cp", "-", `${name}:/t/dir`], { stdin: stdout });
      expect(failed).toContain("the name leads out of the directory");
      const broken = await box.failure(1, ["cp", "-", `${name}:/t`], { stdin: "x".repeat(2000) });
      expect(broken).toContain("it is no tar");
    });

    test("volumes are seen, and what is read-only stays so", async () => {
      await must("cp", box.path("file"), `${name}:/volume/${name}`);
      expect(readFileSync(`${volume}/${name}`, "utf8")).toBe("a file\n");
      await must("cp", `${name}:/fixed/${name}`, box.path(`fixed-${name}`));
      const failed = await box.failure(1, ["cp", box.path("file"), `${name}:/fixed/no`]);
      expect(failed).toContain("read-only file system");
    });

    test("many copies at once do not disturb each other", async () => {
      const copies = Array.from({ length: 8 }, (_, i) =>
        i % 2 === 0
          ? box.hb(["cp", box.path("file"), `${name}:/t/at-once-${i}`])
          : box.hb(["cp", `${name}:/d`, box.path(`at-once-${name}-${i}`)]),
      );
      for (const copy of await Promise.all(copies)) expect(copy.status).toBe(0);
      await must("cp", `${name}:/t/at-once-6`, box.path("at-once"));
    });

    test("a killed copy leaves no half file", async () => {
      const tar = await box.command(["tar", "c", "--format=ustar", "file"]);
      // The header says a million bytes; hardly any of them come.
      const bytes = new TextEncoder().encode(tar.stdout.slice(0, 512));
      bytes.set(new TextEncoder().encode("00003641100\0"), 124);
      bytes.fill(32, 148, 156);
      const sum = bytes.reduce((total, byte) => total + byte, 0);
      bytes.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
      const copy = box.start(["cp", "-", `${name}:/t/dir`]);
      copy.stdin.write(bytes);
      copy.stdin.write("x".repeat(4000));
      await copy.stdin.flush();
      copy.kill("SIGKILL");
      await copy.end();
      const failed = await box.failure(1, ["cp", `${name}:/t/dir/file`, box.path("half")]);
      expect(failed).toContain('there is no "/t/dir/file"');
    });

    test("neither does one to this machine", async () => {
      const to = box.path(`killed-${name}`);
      mkdirSync(to);
      await box.command(["truncate", "-s", "100G", `${volume}/endless`]);
      for (const signal of ["SIGKILL", "SIGTERM"] as const) {
        const copy = box.start(["cp", `${name}:/volume/endless`, to]);
        await until(to, () => existsSync(`${to}/endless`));
        copy.kill(signal);
        await until(to, () => !existsSync(`${to}/endless`));
        await copy.end();
      }
    });
  });
}

describe("of a container that works on its files meanwhile", () => {
  test("neither a directory exchanged for a link nor a growing file harms", async () => {
    const script = `mkdir -p /x/d; echo inside > /x/d/secret; ln -s ${box.path()} /x/link
      (while :; do mv /x/d /x/e; mv /x/link /x/d; mv /x/d /x/link; mv /x/e /x/d; done) &
      (while :; do echo more >> /x/log; done) & (while :; do echo > /x/shrinks
      head -c 900000 /dev/zero > /x/shrinks; done) & echo ready; wait`;
    const flags = ["-q", "--rm=false", "--name", "busy"];
    await box.start(["run", ...flags, busybox, "sh", "-c", script]).until("ready");
    for (let i = 0; i < 10; i++) {
      const list = `"$0" cp busy:/x - > "$1" && tar xOf "$1"`;
      const { status, stdout } = await box.command([
        ...["sh", "-c", list, hbBinary, box.path("busy.tar")],
      ]);
      expect(status).toBe(0);
      expect(stdout).not.toContain("secret\n");
      await box.hb(["cp", box.path("file"), "busy:/x/d/written"]);
      expect(existsSync(box.path("written"))).toBe(false);
    }
    await must("rm", "-f", "busy");
  }, 60_000);
});

describe("other containers", () => {
  test("one that does not run is started when the copy is done", async () => {
    await must("create", "--name", "later", busybox, "grep", "-c", "^x*$", "/given");
    writeFileSync(box.path("given"), "x".repeat(4 << 20));
    const { stdout } = await box.command(["tar", "c", "given"]);
    const copy = box.start(["cp", "-", "later:/"]);
    // No pipe takes as much: by then it is read, and so the copy under way.
    copy.stdin.write(stdout.slice(0, 3 << 20));
    await copy.stdin.flush();
    const start = box.hb(["start", "later"]);
    copy.stdin.write(stdout.slice(3 << 20));
    copy.stdin.end();
    expect(await copy.end()).toMatchObject({ status: 0 });
    expect(await start).toMatchObject({ status: 0 });
    expect(await must("wait", "later")).toBe("0\n");
  });

  test("one that was never started has its image's files and takes others", async () => {
    await must("create", "--name", "created", busybox, "cp", "/given", "/seen");
    await must("cp", box.path("file"), "created:/given");
    await must("cp", "created:/bin/busybox", box.path("busybox"));
    await must("start", "created");
    expect(await must("wait", "created")).toBe("0\n");
    await must("cp", "created:/seen", box.path("seen"));
    expect(readFileSync(box.path("seen"), "utf8")).toBe("a file\n");
  });

  test("a read-only root takes nothing, but its volumes do", async () => {
    const flags = ["--rm=false", "--read-only", "-v", `${volume}:/volume`];
    await must("run", "-q", "--name", "sealed", ...flags, busybox, "true");
    const failed = await box.failure(1, ["cp", box.path("file"), "sealed:/x"]);
    expect(failed).toContain("read-only file system");
    await must("cp", box.path("file"), "sealed:/volume/sealed");
  });

  test("--rootfs is a container like others", async () => {
    const rootfs = box.path("rootfs");
    mkdirSync(rootfs);
    await must("cp", "ended:/bin", `${rootfs}/bin`);
    await must("run", "--rm=false", "--name", "plain", "--rootfs", rootfs, "/bin/true");
    await must("cp", box.path("file"), "plain:/file");
    expect(readFileSync(`${rootfs}/file`, "utf8")).toBe("a file\n");
  });
});

describe("hb cp", () => {
  test("copies no copy of itself", async () => {
    mkdirSync(box.path("self/in"), { recursive: true });
    const env = { HB_ROOT: box.path("self/store") };
    const hb = async (...args: string[]) => await box.hb(args, { env });
    const flags = ["-q", "--rm=false", "--name", "self", "-v", `${box.path("self/in")}:/in`];
    expect(await hb("run", ...flags, busybox, "true")).toMatchObject({ status: 0 });
    expect(await hb("cp", box.path("self"), "self:/d")).toMatchObject({ status: 0 });
    expect(await hb("cp", "self:/", box.path("self/in/"))).toMatchObject({ status: 0 });
    expect(await hb("rm", "self")).toMatchObject({ status: 0 });
    expect(await hb("clean", "--all")).toMatchObject({ status: 0 });
  });

  test("says what is wrong in one line", async () => {
    expect(await box.failure(1, ["cp", "none:/x", "."])).toContain("No such container: none");
    expect(await box.failure(1, ["cp", "a", "b"])).toContain("neither is in a container");
    expect(await box.failure(1, ["cp", "ended:/a", "running:/b"])).toContain("between containers");
    expect(await box.failure(1, ["cp", "ended:", "."])).toContain("no path after the colon");
  });

  test("tells the size when asked to", async () => {
    const told = await box.hb(["cp", "--quiet=false", box.path("file"), "ended:/t/told"]);
    expect(told).toMatchObject({ status: 0, stdout: "" });
    expect(told.stderr).toMatch(/^Successfully copied \d\S*kB to ended:\/t\/told\n$/);
  });

  test("a program that becomes the caller's loses its set-id bits", async () => {
    const script = 'mkdir /t; echo "#!/bin/sh" > /t/program; chmod 6755 /t/program; chmod 2755 /t';
    await must("run", "--rm=false", "--name", "set-id", busybox, "sh", "-c", script);
    await must("cp", "set-id:/t", box.path("set-id"));
    const modes = ["", "/program"].map(
      (path) => lstatSync(box.path("set-id") + path).mode & 0o7777,
    );
    expect(modes).toEqual([0o755, 0o755]);
    await must("rm", "set-id");
  });

  rootTest("makes no device nodes with -a: they would open this machine's disks", async () => {
    const script = "mkdir /t && mknod /t/disk b 8 0 && chmod 666 /t/disk";
    await must("run", "--rm=false", "--name", "disk", busybox, "sh", "-c", script);
    const { status, stderr } = await box.hb(["cp", "-a", "disk:/t", box.path("disk")]);
    expect([status, stderr]).toEqual([0, "hb: notice: device nodes left out of the copy: 1\n"]);
    expect(readdirSync(box.path("disk"))).toEqual([]);
    await must("rm", "disk");
  });

  rootTest("keeps owners with -a", async () => {
    await box.command(["sh", "-c", 'echo x > "$0"; chown 12:34 "$0"', box.path("theirs")]);
    await must("cp", "-a", box.path("theirs"), "ended:/t/theirs");
    await must("cp", "-a", "ended:/t/theirs", box.path("back"));
    const { uid, gid } = lstatSync(box.path("back"));
    expect([isRoot, uid, gid]).toEqual([true, 12, 34]);
  });

  test("the containers go", async () => {
    await must("rm", "-f", "ended", "running", "created", "later", "sealed", "plain");
  });
});

box.leavesNothingBehind();
