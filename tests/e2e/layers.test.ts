/** What a container sees of layers that replace, hide, link and decorate each other's files. */

import { describe, expect, test } from "bun:test";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import type { Entry } from "../setup/tar.ts";
import { Box, isRoot, registry, rootlessTest, rootTest } from "./harness.ts";

const box = new Box();
let count = 0;

/** Runs a script in an image of busybox and these layers, bottom first. */
async function inLayers(script: string, ...layers: readonly Entry[][]): Promise<string> {
  const name = `layers-${++count}:1`;
  const all = [busyboxLayer(), ...layers.map((entries) => layer(entries))];
  await pushImage(registry, name, all, { config: { Env: ["PATH=/bin"] } });
  return box.output(`${registry}/${name}`, "sh", "-c", script);
}

const file = (name: string, data = name): Entry => ({ name, data });

describe("whiteouts", () => {
  test("hide files and directories of lower layers", async () => {
    const lower = [{ name: "d/" }, file("d/a"), file("d/b"), { name: "e/" }, file("e/x")];
    const upper = [file("d/.wh.a", ""), file(".wh.e", "")];
    expect(await inLayers("ls /d; test -e /e || echo gone", lower, upper)).toBe("b\ngone");
  });

  test("an opaque directory shows only its own layer's files, rootless too (H-2)", async () => {
    const lower = [{ name: "d/" }, file("d/old"), { name: "d/sub/" }, file("d/sub/old")];
    const upper = [
      { name: "d/" },
      file("d/.wh..wh..opq", ""),
      file("d/.wh.old", ""),
      file("d/new"),
    ];
    expect(await inLayers("ls -A /d", lower, upper)).toBe("new");
  });

  test("hide lower layers only, wherever they stand in their own layer (H-9b)", async () => {
    const lower = [{ name: "d/" }, file("d/x", "lower"), { name: "d/y/" }, file("d/y/lower")];
    const upper = [
      file("d/x", "upper"),
      file("d/.wh.x", ""),
      file("d/.wh.y", ""),
      { name: "d/y/" },
      file("d/y/upper"),
    ];
    expect(await inLayers("cat /d/x; ls -A /d/y", lower, upper)).toBe("upperupper");
  });

  test("leave the mode of a parent that only lower layers have (H-9b)", async () => {
    const lower = [{ name: "d/", mode: 0o750, uid: 7, gid: 8 }, file("d/x"), file("d/y")];
    const script = "stat -c '%a %u %g' /d; ls /d";
    expect(await inLayers(script, lower, [file("d/.wh.x", "")])).toBe("750 7 8\ny");
  });

  test("can be removed and made again in the container (H-1)", async () => {
    const lower = [{ name: "d/" }, file("d/a")];
    const script =
      "rm -r /d && mkdir /d && : > /d/b && ls /d && rm -r /d && test ! -e /d && echo gone";
    expect(await inLayers(script, lower)).toBe("b\ngone");
  });
});

describe("entries", () => {
  test("a file replaced by a directory, and the reverse", async () => {
    const lower = [file("a"), { name: "b/" }, file("b/x")];
    const upper = [{ name: "a/" }, file("a/y"), file("b", "file")];
    expect(await inLayers("ls /a; cat /b", lower, upper)).toBe("y\nfile");
  });

  test("the last of duplicate entries counts, of another type too", async () => {
    const entries = [file("x", "1"), { name: "x/" }, file("x/in"), file("y", "1"), file("y", "2")];
    expect(await inLayers("ls /x; cat /y", entries)).toBe("in\n2");
  });

  test("hard links within a layer and into a lower one", async () => {
    const lower = [{ name: "a/" }, file("a/file", "shared")];
    const upper: Entry[] = [
      { name: "b/" },
      { name: "b/link", type: "1", link: "a/file" },
      { name: "b/again", type: "1", link: "b/link" },
    ];
    const script =
      "cat /b/link /b/again; stat -c %h /b/link; test /b/link -ef /b/again && echo same";
    expect(await inLayers(script, lower, upper)).toBe("sharedshared2\nsame");
  });

  test("the root is as the topmost layer that describes it says", async () => {
    const silent = (name: string) => [file(name)];
    const saying = (mode: number) => [{ name: "./", mode }];
    const script = "stat -c '%a %u %g' /";
    expect(await inLayers(script, silent("a"), silent("b"))).toBe("755 0 0");
    expect(await inLayers(script, saying(0o750), silent("a"), silent("b"))).toBe("750 0 0");
    expect(await inLayers(script, silent("a"), saying(0o711), silent("b"))).toBe("711 0 0");
  });

  test("modes, owners, times, links, fifos (H-7)", async () => {
    const entries: Entry[] = [
      { name: "su", mode: 0o4755, data: "x" },
      { name: "sg/", mode: 0o2770, uid: 3, gid: 4, mtime: 1_000_000_000 },
      { name: "sg/deep", mode: 0o604, uid: 33, gid: 44, mtime: "1234567890.123456789", data: "x" },
      { name: "closed/", mode: 0o555 },
      { name: "closed/in", data: "x" },
      { name: "link", link: "sg/deep" },
      { name: "pipe", type: "6", mode: 0o640 },
      { name: "late/", mtime: 1_100_000_000 },
      { name: "late/x", data: "x" },
    ];
    const script =
      "cd /; stat -c '%n %A %u:%g %Y' su sg sg/deep closed pipe late; " +
      "stat -c %y sg/deep; readlink link";
    expect((await inLayers(script, entries)).split("\n")).toEqual([
      "su -rwsr-xr-x 0:0 1600000000",
      "sg drwxrws--- 3:4 1000000000",
      "sg/deep -rw----r-- 33:44 1234567890",
      "closed dr-xr-xr-x 0:0 1600000000",
      "pipe prw-r----- 0:0 1600000000",
      "late drwxr-xr-x 0:0 1100000000",
      "2009-02-13 23:31:30.123456789 +0000",
      "sg/deep",
    ]);
  });

  test("long names, names that are no UTF-8, and names with every odd byte", async () => {
    const long = `${"d".repeat(120)}/${"f".repeat(200)}`;
    const raw = Uint8Array.from([0x72, 0x61, 0x77, 0xff, 0xfe]);
    const entries: Entry[] = [
      file(long, "long"),
      { name: raw, data: "raw" },
      { name: "a\nb\t'\"\\$x", data: "odd" },
    ];
    const script = `cat /${long}; cat /raw*; cat "/a"*`;
    expect(await inLayers(script, entries)).toBe("longrawodd");
  });

  rootTest("owners beyond 16 bits and device nodes, as root", async () => {
    const entries: Entry[] = [
      { name: "big", uid: 3_000_000, gid: 70_000, data: "x" },
      { name: "node", type: "3", device: [1, 3], mode: 0o666 },
    ];
    const script = "stat -c '%u %g' /big; stat -c '%F %t %T' /node";
    expect(await inLayers(script, entries)).toBe("3000000 70000\ncharacter special file 1 3");
  });

  rootlessTest("device nodes are left out quietly, rootless", async () => {
    const entries: Entry[] = [{ name: "node", type: "3", device: [1, 3] }, file("rest")];
    expect(await inLayers("test -e /node || cat /rest", entries)).toBe("rest");
  });

  test("extended attributes and file capabilities (H-7)", async () => {
    // VFS_CAP_REVISION_2, effective, CAP_NET_RAW: what setcap cap_net_raw+ep writes.
    const capability = Uint8Array.from([
      1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    const data = new Uint8Array(
      await Bun.file(Bun.which("busybox") ?? "/bin/busybox").arrayBuffer(),
    );
    const xattrs = { "security.capability": capability, "user.note": "kept" };
    // busybox takes its applet from the file's name, so a copy named sed is a sed with capability.
    const entries: Entry[] = [{ name: "usr/bin/sed", mode: 0o755, data, xattrs }];
    const name = `layers-${++count}:1`;
    const layers = [busyboxLayer(), layer(entries)];
    await pushImage(registry, name, layers, { config: { Env: ["PATH=/bin"], User: "nobody" } });
    const sed = ["/usr/bin/sed", "-n", "s/^CapPrm:[[:space:]]*//p", "/proc/self/status"];
    expect(await box.output(`${registry}/${name}`, ...sed)).toBe("0000000000002000");
  });
});

describe("directories of lower layers", () => {
  test("can be renamed (H-1), by copying where the kernel says EXDEV", async () => {
    const lower = [
      { name: "d/", mode: 0o700, uid: 5 },
      file("d/a"),
      { name: "d/s/" },
      file("d/s/b"),
    ];
    const script = "mv /d /e && cat /e/a /e/s/b && stat -c %a /e && test ! -e /d && echo moved";
    expect(await inLayers(script, lower)).toBe("d/ad/s/b700\nmoved");
  });

  test("have their owner, whoever runs hb", async () => {
    const lower: Entry[] = [
      { name: "srv/", uid: 1000, gid: 1000, mode: 0o755 },
      { name: "srv/f", uid: 1000, gid: 1000 },
    ];
    const expected = "1000 1000\n1000 1000";
    expect(await inLayers("stat -c '%u %g' /srv /srv/f", lower)).toBe(expected);
    expect(isRoot || process.getuid?.() !== 0).toBe(true);
  });
});

box.leavesNothingBehind();
