/** hb commit: images of what containers have made of theirs. */

import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { Box, registry, rootlessTest, rootTest, testWith } from "./harness.ts";

const box = new Box();
const image = `${registry}/commit:1`;
const docker = `${registry}/commit:docker`;
const volume = box.path("volume");
const there = { HB_ROOT: box.path("there") };
/** What a machine can be told of each file, but for what is mounted in every container. */
const look = `cd /; seen() { find . -xdev \\( -path ./proc -o -path ./sys -o -path ./dev \\
  -o -path ./volume -o -path ./vol -o -path ./anonymous -o -path ./etc/hosts \\
  -o -path ./etc/hostname -o -path ./etc/resolv.conf \\) -prune -o "$@" {} + | sort; }
  seen -type d -exec stat -c '%N %a %u:%g'; seen -type f -exec md5sum
  seen ! -type d -exec stat -c '%N %F %a %u:%g %h %s %Y'`;
const lower = [
  { name: "data/", mode: 0o755 },
  ...["gone", "kind", "owned"].map((name) => ({ name: `data/${name}`, data: "A\n" })),
  { name: "data/same", data: "A\n", mtime: 1_700_000_000 },
  { name: "data/one", data: "linked" },
  { name: "data/two", type: "1", link: "data/one" },
  ...["emptied/a", "emptied/b/c", "dir/x", "moved/deep/y", "left/z"].map((name) => {
    return { name: `data/${name}`, data: name };
  }),
  {
    name: "data/able",
    data: "#!",
    mode: 0o755,
    xattrs: {
      "user.note": "kept",
      "security.capability": Buffer.from("AQAAAgAEAAAAAAAAAAAAAAAAAAA=", "base64"),
    },
  },
  { name: "vol/own", data: "the image's" },
];
const changes = `cd /data; rm gone; rm kind; mkdir kind; rm -r dir; echo file > dir
  echo B > same; touch -d @1700000000 same; chown 5:6 owned; chmod 4755 owned; chmod 700 left
  echo more >> one; rm -r emptied; mkdir emptied; echo new > emptied/other; mkdir -p emptied/b
  mv moved there; echo n > new; ln new /hard; ln -s new soft; mkfifo fifo; chmod 711 able
  chmod 1777 /made; echo "w i d e" > '/made/a name'; echo x > /vol/own; echo x > /vol/other
  echo x > /volume/file; touch -d @0 '/made/a name'; mkdir /made/empty; rm /bin/vi`;

async function must(...args: string[]): Promise<string> {
  return (await box.must(...args)).replace(/\n$/, "");
}

async function inspect(name: string) {
  return JSON.parse(await must("inspect", "--type", "image", name))[0];
}

/** Names in the topmost layer of `name`, and its tar. */
async function topLayer(name: string): Promise<{ names: string[]; tar: Buffer }> {
  const archive = box.path("top.tar");
  await must("save", "-o", archive, name);
  const [{ Layers }] = JSON.parse(
    Bun.spawnSync(["tar", "xOf", archive, "manifest.json"]).stdout.toString(),
  );
  const tar = Bun.spawnSync(["tar", "xOf", archive, Layers.at(-1)]).stdout;
  const listed = Bun.spawnSync(["tar", "t"], { stdin: tar }).stdout.toString();
  return { names: listed.trimEnd().split("\n"), tar };
}

let before = "";
let wanted = "";

beforeAll(async () => {
  mkdirSync(volume);
  mkdirSync(box.path("there"));
  const config = { Env: ["PATH=/bin", "A=1", "B=2"], Cmd: ["sh"], Volumes: { "/vol": {} } };
  const history = [{ created_by: "base" }, { created_by: "data" }];
  const layers = [busyboxLayer(), layer(lower)];
  await pushImage(registry, "commit:1", layers, { config, history });
  await pushImage(registry, "commit:docker", layers, { config, history, docker: true });
  before = await box.output(image, "sh", "-c", look);
  const flags = ["-e", "A=x y", "-e", "C=3", "-l", "a=b", "-w", "/data", "--stop-signal", "INT"];
  const mounts = ["-v", `${volume}:/volume`, "--tmpfs", "/made/up", "-v", "/anonymous"];
  const script = ["sh", "-c", `(${changes}); ${look}`];
  wanted = await must(
    "run",
    "-q",
    "--name",
    "cc",
    "--rm=false",
    ...flags,
    ...mounts,
    image,
    ...script,
  );
});

describe("hb commit", () => {
  test("makes an image that shows what the container did, and leaves the old one", async () => {
    const id = await must("commit", "cc", "made:1");
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await must("images", "-q", "--no-trunc", "made:1")).toBe(id);
    const flags = ["-v", `${volume}:/volume`, "--tmpfs", "/made/up", "-v", "/anonymous"];
    expect(await box.output("--pull", "never", ...flags, "made:1", "sh", "-c", look)).toBe(wanted);
    expect(await box.output("--pull", "never", image, "sh", "-c", look)).toBe(before);
    expect(wanted).not.toBe(before);
    expect(await must("check")).toContain("nothing is broken");
  });

  test("has in its layer only what was written: no volume and no mount point", async () => {
    const { names, tar } = await topLayer("made:1");
    expect(names.toSorted()).toEqual(
      [
        ...["./", "bin/", "bin/.wh.vi", "data/", "data/.wh.gone", "data/.wh.moved", "data/able"],
        ...["data/dir", "data/emptied/", "data/emptied/.wh..wh..opq", "data/emptied/b/"],
        ...["data/emptied/other", "data/fifo", "data/kind/", "data/left/", "data/new", "data/one"],
        ...["data/owned", "data/same", "data/soft", "data/there/", "data/there/deep/"],
        ...["data/there/deep/y", "hard", "made/", "made/a name", "made/empty/"],
      ].toSorted(),
    );
    expect(tar.includes("SCHILY.xattr.user.note=kept")).toBe(true);
    expect(tar.includes("SCHILY.xattr.security.capability=")).toBe(true);
    expect(tar.includes(".overlay.")).toBe(false);
    expect(await box.output("--pull", "never", "made:1", "cat", "/vol/own")).toBe("the image's");
  });

  test("takes the config the container was started with", async () => {
    const { Config, Author } = await inspect("made:1");
    expect({ Config, Author }).toMatchObject({
      Author: "",
      Config: {
        WorkingDir: "/data",
        Env: ["PATH=/bin", "A=x y", "C=3", "B=2"],
        Labels: { a: "b" },
        StopSignal: "INT",
        Volumes: { "/vol": {}, "/anonymous": {} },
      },
    });
    expect(Config.Cmd.slice(0, 2)).toEqual(["sh", "-c"]);
    expect(Config.Hostname).toBeUndefined();
  });

  test("changes it as asked, and says who made it and why", async () => {
    const changed = ["-c", 'CMD ["cat", "/hard"]', "-c", "ENV A=changed", "--change", "USER 7:8"];
    const file = box.path("id");
    const about = ["-a", "A. Uthor", "-m", "by hand", "--iidfile", file];
    const id = await must("commit", ...changed, ...about, "cc", "changed:1");
    expect(readFileSync(file, "utf8")).toBe(id);
    expect(await box.output("--pull", "never", "changed:1")).toBe("n");
    expect(await box.output("--pull", "never", "changed:1", "sh", "-c", "id -u; echo $A")).toBe(
      "7\nchanged",
    );
    expect(await inspect("changed:1")).toMatchObject({ Author: "A. Uthor" });
    const format = "{{.CreatedBy}}|{{.Comment}}";
    const steps = (await must("history", "--no-trunc", "--format", format, "changed:1")).split(
      "\n",
    );
    expect(steps.at(0)).toStartWith("sh -c (cd /data");
    expect(steps.slice(-3).map((step) => step.replace(/.*\|/s, "|"))).toEqual([
      "|by hand",
      "|",
      "|",
    ]);
    expect(steps.slice(-2)).toEqual(["data|", "base|"]);
  });

  test("of a container that has written nothing adds a step and no layer", async () => {
    await must("create", "--name", "idle", image, "true");
    const id = await must("commit", "idle");
    const listed = await must("images", "--no-trunc", "--format", "{{.Tag}} {{.ID}}");
    expect(listed).toContain(`<none> ${id}`);
    const [made, old] = [await inspect(id), await inspect(image)];
    expect(made.RootFS).toEqual(old.RootFS);
    expect((await must("history", "--format", "{{.Size}}", id)).split("\n")[0]).toBe("0B");
    await must("rm", "idle");
  });

  test("takes a container that runs, which then goes on", async () => {
    const running = box.start([
      "run",
      "-q",
      "--name",
      "rr",
      image,
      "sh",
      "-c",
      "echo here > /here; echo ready; exec sleep 1000",
    ]);
    await running.until("ready");
    // With a notice where it cannot be paused.
    expect(await box.hb(["commit", "rr", "running:1"])).toMatchObject({ status: 0 });
    expect(await must("ps", "--format", "{{.Names}} {{.State}}")).toBe("rr running");
    expect(await box.output("--pull", "never", "running:1", "cat", "/here")).toBe("here");
    await must("rm", "-f", "rr");
    await running.end();
  });

  rootTest("leaves one paused that was paused", async () => {
    await must("run", "-qd", "--name", "pp", image, "sleep", "1000");
    await must("pause", "pp");
    await must("commit", "pp", "paused:1");
    expect(await must("ps", "--format", "{{.State}}")).toBe("paused");
    await must("unpause", "pp");
    await must("rm", "-f", "pp");
  });

  rootlessTest("says that a container it cannot pause goes on", async () => {
    await must("run", "-qd", "--name", "pp", image, "sleep", "1000");
    const { stderr, status } = await box.hb(["commit", "pp", "going:1"]);
    expect(status).toBe(0);
    expect(stderr).toMatch(/^hb: notice: its processes go on meanwhile: [^\n]+\n$/);
    expect((await box.hb(["commit", "--pause=false", "pp", "going:2"])).stderr).toBe("");
    await must("rm", "-f", "pp");
  });

  test("can be made of a committed image again, layer upon layer", async () => {
    await must("run", "-q", "--name", "again", "--rm=false", "made:1", "rm", "-r", "/data/there");
    await must("commit", "again", "made:2");
    await must("rm", "again");
    const { names } = await topLayer("made:2");
    expect(names).toEqual(["./", "data/", "data/.wh.there"]);
    const script = "ls -d /data/there || cat /data/new";
    expect((await box.hb(["run", "-q", "made:2", "sh", "-c", script])).stdout).toBe("n\n");
  });

  test("works when the container's image has been removed", async () => {
    await must("run", "-q", "--name", "kept", "--rm=false", docker, "sh", "-c", "echo a > /made");
    await must("rmi", "-f", docker);
    await must("rmi", "-f", image);
    await must("prune", "--images", "-f");
    await must("commit", "kept", "orphan:1");
    await must("rm", "kept");
    expect(await box.output("--pull", "never", "orphan:1", "cat", "/made", "/data/gone")).toBe(
      "a\nA",
    );
    expect((await inspect("orphan:1")).RootFS.Layers.length).toBe(3);
    await must("pull", "-q", image);
  });
});

describe("a committed image elsewhere", () => {
  test("is pushed, and pulled by another store, where it is the same", async () => {
    const pushed = `${registry}/committed:1`;
    await must("tag", "made:1", pushed);
    await must("push", "-q", pushed);
    const flags = ["-v", `${volume}:/volume`, "--tmpfs", "/made/up", "-v", "/anonymous"];
    const argv = ["run", "-q", ...flags, pushed, "sh", "-c", look];
    const { stdout } = await box.hb(argv, { env: there });
    expect(stdout.trimEnd()).toBe(wanted);
    const ids = await box.hb(["images", "-q", pushed], { env: there });
    expect(ids.stdout.trimEnd()).toBe(await must("images", "-q", "made:1"));
    await box.hb(["clean", "--all"], { env: there });
  });

  testWith("skopeo")("is read by skopeo, of OCI's kind and of docker's", async () => {
    await must("run", "-q", "--name", "dd", "--rm=false", docker, "touch", "/x");
    await must("commit", "dd", `${registry}/committed:docker`);
    await must("rm", "dd");
    await must("push", "-q", `${registry}/committed:docker`);
    writeFileSync(box.path("auth.json"), "{}");
    const auth = { REGISTRY_AUTH_FILE: box.path("auth.json") };
    const options = { env: { HOME: box.path("skopeo"), ...auth } };
    for (const tag of ["1", "docker"]) {
      const from = `docker://${registry}/committed:${tag}`;
      const to = `oci:${box.path(`skopeo-${tag}`)}:x`;
      const flags = ["--insecure-policy", "--tmpdir", box.path("tmp")];
      const argv = ["skopeo", ...flags, "copy", "-q", "--src-tls-verify=false", from, to];
      expect(await box.command(argv, options)).toMatchObject({ status: 0, stderr: "" });
    }
  });
});

describe("what cannot be committed is one line and leaves nothing", () => {
  test("a name with a digest, a bad change, a container that is not there", async () => {
    const digest = `x@sha256:${"0".repeat(64)}`;
    expect(await box.failure(1, ["commit", "cc", digest])).toContain("digest");
    expect(await box.failure(1, ["commit", "-c", "RUN x", "cc"])).toContain("RUN");
    expect(await box.failure(1, ["commit", "absent"])).toContain("No such container: absent");
  });

  test("a file that is called like a whiteout", async () => {
    await must("run", "-q", "--name", "wh", "--rm=false", image, "touch", "/data/.wh.new");
    expect(await box.failure(1, ["commit", "wh", "wh:1"])).toContain("/data/.wh.new");
    await must("rm", "wh");
    expect(await must("images", "-q", "wh:1")).toBe("");
  });

  test("a directory that is no image's", async () => {
    const root = box.path("root");
    await must("run", "-q", "--name", "full", "--rm=false", image, "true");
    mkdirSync(root);
    await must("export", "-o", box.path("root.tar"), "full");
    await must("rm", "full");
    await box.command(["tar", "xf", box.path("root.tar"), "-C", root, "--exclude=dev"]);
    await must("create", "--name", "plain", "--rootfs", root, "true");
    expect(await box.failure(1, ["commit", "plain"])).toContain("hb export");
    await must("rm", "plain");
  });
});

test("the container is there still, and is removed", async () => {
  await must("rm", "cc");
});

box.leavesNothingBehind();
