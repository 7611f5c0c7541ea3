/** hb beside podman and skopeo: images, archives and logins go from each to the other. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { type Registry, startRegistry } from "../setup/registry.ts";
import { Box, registry, testWith } from "./harness.ts";

const box = new Box();
const test = testWith("podman");
/** podman takes no longer path than 50 characters for its run root. */
const folder = mkdtempSync("/tmp/hb-podman-");
const home = join(folder, "home");
const env = { HOME: home, XDG_RUNTIME_DIR: join(folder, "session"), TMPDIR: join(folder, "tmp") };
/** A second store of hb's, as of another machine. */
const there = { HB_ROOT: box.path("there") };
const password = "a password";
const plain = ["--tls-verify=false"];
const original = `${registry}/interop/original:1`;
let guarded: Registry;

beforeAll(async () => {
  const policy = join(home, ".config/containers/policy.json");
  for (const path of [dirname(policy), env.XDG_RUNTIME_DIR, env.TMPDIR]) {
    mkdirSync(path, { recursive: true });
  }
  writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  const path = join(folder, "htpasswd");
  writeFileSync(path, `me:${Bun.password.hashSync(password, { algorithm: "bcrypt", cost: 4 })}\n`);
  guarded = await startRegistry(folder, { auth: { htpasswd: { realm: "test", path } } });
  const layers = [
    busyboxLayer(),
    layer(
      [
        { name: "hello", data: "below\n" },
        { name: "gone/x", data: "" },
      ],
      "zstd",
    ),
    layer(
      [
        { name: "hello", data: "hello\n" },
        { name: ".wh.gone", data: "" },
      ],
      "none",
    ),
  ];
  const config = { Env: ["PATH=/bin"], Cmd: ["sh", "-c", "cat /hello; ls /gone"] };
  await pushImage(registry, "interop/original:1", layers, { config });
  expect(await box.hb(["pull", "-q", original])).toMatchObject({ status: 0 });
});

afterAll(async () => {
  await guarded.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** vfs and no network: what podman needs of this machine is not the subject. */
async function podman(...args: string[]) {
  const own = ["--root", join(folder, "root"), "--runroot", join(folder, "run")];
  const how = ["--storage-driver=vfs", "--runtime=runc", "--cgroup-manager=cgroupfs"];
  const argv = ["podman", ...own, ...how, "--events-backend=none", "--log-level=error", ...args];
  return await box.command(argv, { env });
}

async function skopeo(...args: string[]) {
  return await box.command(["skopeo", ...args], { env });
}

/** What the image says when podman runs it, and when hb does. */
async function saidUnderPodman(image: string): Promise<string> {
  // The limits of the machine may be higher than a container's maker may set.
  const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
  const { stdout } = await podman("run", "--rm", "--network", "none", ...limits, image);
  return stdout;
}

async function saidUnderHb(image: string): Promise<string> {
  const { stdout } = await box.hb(["run", "-q", "--network", "none", image], { env: there });
  return stdout;
}

async function idOf(image: string): Promise<string> {
  return (await box.hb(["inspect", "--format", "{{.Id}}", image])).stdout.trim();
}

async function succeeds(result: Promise<{ readonly status: number }>): Promise<void> {
  expect(await result).toMatchObject({ status: 0 });
}

describe("through a registry", () => {
  test("podman pulls and runs what hb has pushed, and it is the same image", async () => {
    const target = `${registry}/by-hb/app:1`;
    await succeeds(box.hb(["tag", original, "elsewhere.test/app:1"]));
    await succeeds(box.hb(["push", "-q", "elsewhere.test/app:1", target]));
    await succeeds(podman("pull", "-q", ...plain, target));
    expect(await saidUnderPodman(target)).toBe("hello\n");
    const { stdout } = await podman("image", "inspect", "--format", "{{.Id}}", target);
    expect(`sha256:${stdout.trim()}`).toBe(await idOf(original));
  });

  test.each(["gzip", "zstd"])("hb runs what podman has pushed (%s)", async (compression) => {
    const target = `${registry}/by-podman/${compression}:1`;
    await succeeds(podman("pull", "-q", ...plain, original));
    const flags = ["--compression-format", compression];
    await succeeds(podman("push", "-q", ...plain, ...flags, original, target));
    expect(await saidUnderHb(target)).toBe("hello\n");
  });

  test("hb runs what skopeo has copied, and skopeo copies what hb has pushed", async () => {
    const [first, second] = [`${registry}/by-skopeo/a:1`, `${registry}/by-skopeo/b:1`];
    const flags = ["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"];
    await succeeds(skopeo(...flags, `docker://${original}`, `docker://${first}`));
    expect(await saidUnderHb(first)).toBe("hello\n");
    const pushed = `docker://${registry}/by-hb/app:1`;
    await succeeds(skopeo(...flags, pushed, `docker://${second}`));
    expect(await saidUnderHb(second)).toBe("hello\n");
  });
});

describe("through an archive", () => {
  test("podman loads and runs what hb has saved", async () => {
    const archive = box.path("hb.tar");
    await succeeds(podman("rmi", "-af"));
    await succeeds(box.hb(["save", "-o", archive, original]));
    await succeeds(podman("load", "-q", "-i", archive));
    expect(await saidUnderPodman(original)).toBe("hello\n");
  });

  test.each(["docker-archive", "oci-archive"])(
    "hb loads and runs what podman has saved as %s",
    async (format) => {
      const archive = box.path(`${format}.tar`);
      await succeeds(box.hb(["clean", "--all"], { env: there }));
      await succeeds(podman("save", "-q", "--format", format, "-o", archive, original));
      const { stdout } = await box.hb(["load", "-q", "-i", archive], { env: there });
      expect(stdout).toBe(`Loaded image: ${original}\n`);
      const run = await box.hb(["run", "--pull", "never", original], { env: there });
      expect(run.stdout).toBe("hello\n");
    },
  );
});

describe("a login", () => {
  const image = () => `${guarded.host}/app:1`;

  test("of hb's serves podman and skopeo", async () => {
    const argv = ["login", "-u", "me", "--password-stdin", guarded.host];
    await succeeds(box.hb(argv, { env, stdin: password }));
    await succeeds(box.hb(["push", "-q", original, image()], { env }));
    await succeeds(podman("pull", "-q", ...plain, image()));
    await succeeds(skopeo("inspect", ...plain, `docker://${image()}`));
    await succeeds(box.hb(["logout", guarded.host], { env }));
    expect((await podman("pull", "-q", ...plain, image())).status).not.toBe(0);
  });

  test("of podman's serves hb, which can take it back", async () => {
    const argv = ["login", ...plain, "-u", "me", "-p", password, guarded.host];
    await succeeds(podman(...argv));
    await succeeds(box.hb(["pull", "-q", image()], { env }));
    expect((await box.hb(["login", "--get-login", guarded.host], { env })).stdout).toBe("me\n");
    await succeeds(box.hb(["logout", guarded.host], { env }));
    expect((await box.hb(["pull", "-q", image()], { env })).status).toBe(1);
  });
});

test("podman's store and hb's second one can be taken away", async () => {
  await succeeds(podman("system", "reset", "-f"));
  await succeeds(box.hb(["clean", "--all"], { env: there }));
});

box.leavesNothingBehind();
