/**
 * The images every e2e test can count on: busybox (Debian's static one with all its applets) and,
 * where root could make it once, Debian itself by debootstrap.
 */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Layer, layer, layerOf, pushImage } from "./image.ts";
import { systemPath } from "./packages.ts";
import type { Entry } from "./tar.ts";

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const debianRelease = "bookworm";
/** Kept between runs: debootstrap takes more than a minute. */
const cache = "/var/cache/hb-test";

/** Pushes busybox:1 and, if it can be had, debian:12; says which images there are. */
export async function pushBaseImages(host: string): Promise<readonly string[]> {
  const config = { Env: [`PATH=${path}`], Cmd: ["sh"] };
  await pushImage(host, "busybox:1", [busyboxLayer()], { config });
  const debian = await debianLayer();
  if (debian === undefined) return ["busybox"];
  const shell = { Env: [`PATH=${path}`], Cmd: ["bash"] };
  await pushImage(host, "debian:12", [debian], { config: shell });
  return ["busybox", "debian"];
}

/** Debian's static busybox under the names of all its applets, and a few users. */
export function busyboxLayer(): Layer {
  const busybox = Bun.which("busybox", { PATH: systemPath });
  if (busybox === null) throw new Error("busybox is not installed");
  const applets = Bun.spawnSync([busybox, "--list"]).stdout.toString().trim().split("\n");
  const links: Entry[] = applets
    .filter((applet) => applet !== "busybox")
    .map((applet) => ({ name: `bin/${applet}`, type: "1", link: "bin/busybox" }));
  const folders = [
    "bin/",
    "dev/",
    "etc/",
    "home/",
    "proc/",
    "root/",
    "sys/",
    "usr/",
    "usr/sbin/",
    "var/",
  ];
  return layer([
    ...folders.map((name) => ({ name })),
    { name: "tmp/", mode: 0o1777 },
    { name: "bin/busybox", mode: 0o755, data: readFileSync(busybox) },
    ...links,
    {
      name: "etc/passwd",
      data: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    },
    { name: "etc/group", data: "root:x:0:\nstaff:x:50:nobody\nnogroup:x:65534:\n" },
  ]);
}

/** Debian's minbase as a layer, from the cache or made now; undefined where that needs root. */
async function debianLayer(): Promise<Layer | undefined> {
  const archive = join(cache, `${debianRelease}-${process.arch}.tar`);
  if (!existsSync(archive)) {
    if (process.getuid?.() !== 0) return undefined;
    console.log("  making the Debian image with debootstrap (once, about a minute)");
    mkdirSync(cache, { recursive: true });
    await makeDebian(archive);
  }
  return layerOf(Uint8Array.from(readFileSync(archive)), "gzip-fast");
}

async function makeDebian(archive: string): Promise<void> {
  const rootfs = `${archive}.${process.pid}`;
  const bootstrap = ["debootstrap", "--variant=minbase", debianRelease, rootfs, ...mirror()];
  try {
    await must(bootstrap);
    rmSync(join(rootfs, "var/cache/apt/archives"), { recursive: true });
    mkdirSync(join(rootfs, "var/cache/apt/archives/partial"), { recursive: true });
    await must(["tar", "-C", rootfs, "--numeric-owner", "-cf", `${rootfs}.tar`, "."]);
    renameSync(`${rootfs}.tar`, archive);
  } finally {
    rmSync(rootfs, { recursive: true, force: true });
    rmSync(`${rootfs}.tar`, { force: true });
  }
}

/** The mirror this machine itself uses; none where it is no Debian: debootstrap knows one. */
function mirror(): string[] {
  const apt = Bun.spawnSync(["apt-get", "indextargets", "--format", "$(SITE)"]);
  const sites = apt.stdout.toString().split("\n");
  return sites.filter((site) => /\/debian\/?$/.test(site)).slice(0, 1);
}

async function must(argv: string[]): Promise<void> {
  const env = { ...process.env, PATH: systemPath };
  const child = Bun.spawn(argv, { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) === 0) return;
  throw new Error(`${argv[0]} failed:\n${`${out}${err}`.split("\n").slice(-15).join("\n")}`);
}
