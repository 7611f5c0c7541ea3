/**
 * Programs that run containers, each told to run the bench image in its own words.
 *
 * All of them are prepared per identity and have the image ready; what a launcher cannot do here it
 * says in `missing`, and the rows say it on.
 */

import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Images } from "./images.ts";
import type { Command, Identity, Workspace } from "./workspace.ts";

/** `own`: behind pasta or slirp4netns rootless, on a bridge as root. */
export type Network = "none" | "host" | "own";

/** How a row wants its container. */
export interface RunOptions {
  readonly network?: Network;
  /** This port of the machine leads to the same one of the container; it needs a network. */
  readonly publish?: number;
  /** A host directory, seen at /volume. */
  readonly volume?: string;
  /** Without a system call filter. */
  readonly unconfined?: boolean;
}

/** One way to run a program in a container. */
export interface Launcher {
  readonly name: string;
  readonly missing?: string;
  /** Files whose pages a cold start has to read again. */
  readonly files: readonly string[];
  run(argv: readonly string[], options?: RunOptions): Command;
}

/** Everybody who can be asked, for one identity; hb's image is pulled, podman's loaded. */
export async function makeLaunchers(
  workspace: Workspace,
  images: Images,
  identity: Identity,
  hb: string | undefined,
): Promise<Launcher[]> {
  return [
    outside(images, identity),
    await tried(workspace, bubblewrap(images, identity)),
    await tried(workspace, crun(workspace, images, identity)),
    await tried(workspace, await hippobox(workspace, images, identity)),
    await tried(workspace, await ours(workspace, images, identity, hb)),
    ...(await podman(workspace, identity, images.tar)),
  ];
}

/** The same program without a container: what the machine itself takes. */
function outside({ rootfs }: Images, as: Identity): Launcher {
  return {
    name: "outside",
    files: [],
    run: ([program = "", ...args], { volume } = {}) => ({
      as,
      argv: [
        join(rootfs, program),
        ...args.map((arg) => (arg === "/volume" ? (volume ?? arg) : arg)),
      ],
    }),
  };
}

function bubblewrap({ rootfs }: Images, as: Identity): Launcher {
  const program = Bun.which("bwrap");
  if (program === null) return absent("bwrap", "not installed (apt-get install bubblewrap)");
  const mounts = ["--bind", rootfs, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"];
  return {
    name: "bwrap",
    files: [program],
    run: (argv, { network = "none", volume } = {}) => {
      const unshare = ["--unshare-user-try", "--unshare-ipc", "--unshare-pid", "--unshare-uts"];
      if (network === "none") unshare.push("--unshare-net");
      const bind = volume === undefined ? [] : ["--bind", volume, "/volume"];
      const clean = ["--clearenv", "--setenv", "PATH", "/bin", "--die-with-parent"];
      return { as, argv: [program, ...mounts, ...bind, ...unshare, ...clean, ...argv] };
    },
  };
}

/** crun on a bundle of its own making: one run is one `crun spec` config with our argv. */
function crun(workspace: Workspace, { rootfs }: Images, as: Identity): Launcher {
  const program = Bun.which("crun");
  if (program === null) return absent("crun", "not installed (apt-get install crun)");
  const bundle = workspace.makeDirectory(as, "bundle");
  const state = workspace.makeDirectory(as, "crun", 0o700);
  const spec = [program, "spec", ...(as.name === "root" ? [] : ["--rootless"])];
  const made = workspace.runSync({ as, argv: spec }, bundle);
  if (made !== undefined) return absent("crun", made);
  let id = 0;
  return {
    name: "crun",
    files: [program],
    run: (argv, { network = "none", volume, unconfined } = {}) => {
      const unsupported = [network === "host", volume !== undefined, unconfined === true];
      if (unsupported.includes(true)) throw new Error("not asked of crun's own bundle");
      const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
      config.root = { path: rootfs, readonly: true };
      config.process = { ...config.process, terminal: false, args: argv };
      writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
      const global = ["--root", state, "--cgroup-manager=disabled"];
      return { as, argv: [program, ...global, "run", "--bundle", bundle, `bench-${id++}`] };
    },
  };
}

/** hippobox pulls from https only, so its store is written for it in its own form. */
async function hippobox(workspace: Workspace, images: Images, as: Identity): Promise<Launcher> {
  const found = process.env.HIPPOBOX ?? Bun.which("hippobox");
  if (found === null || !existsSync(found)) {
    return absent("hippobox", "not on PATH nor named by $HIPPOBOX");
  }
  const program = workspace.install(found, "hippobox");
  const hex = "0".repeat(64);
  const store = join(as.directory, "home", ".hippobox");
  const arch = process.arch === "arm64" ? "arm64" : "amd64";
  const layer = join(store, "layers", "sha256", hex);
  const record = join(store, "images", "registry-1.docker.io", "library", "bench", `linux-${arch}`);
  const descriptor = { mediaType: null, digest: `sha256:${hex}`, size: 0 };
  workspace.copyTree(as, images.rootfs, layer);
  workspace.makeDirectory(as, record.slice(as.directory.length + 1));
  const stored = {
    manifest: { config: descriptor, layers: [descriptor] },
    config: { config: { Cmd: ["/bin/sh"], Env: ["PATH=/bin"] } },
    target: { os: "linux", arch },
  };
  writeFileSync(join(record, "latest.json"), JSON.stringify(stored));
  return {
    name: "hippobox",
    files: [program],
    run: (argv, { network = "none", volume, unconfined } = {}) => {
      if (unconfined === true) throw new Error("hippobox has no such option");
      const bind = volume === undefined ? [] : ["-v", `${volume}:/volume`];
      return { as, argv: [program, "run", `--network=${network}`, ...bind, "bench", ...argv] };
    },
  };
}

async function ours(
  workspace: Workspace,
  images: Images,
  as: Identity,
  program: string | undefined,
): Promise<Launcher> {
  if (program === undefined) return absent("hb", "dist/hb is not built (bun run build)");
  if (images.registry === undefined) return absent("hb", images.missing ?? "no registry");
  const image = `${images.registry}/bench`;
  const pulled = workspace.runSync({ as, argv: [program, "pull", "-q", image] });
  if (pulled !== undefined) return absent("hb", pulled);
  workspace.defer(() => {
    // Those that live on: who started them may have been interrupted.
    workspace.runSync({ as, argv: [program, "rm", "--all", "--force"] });
    workspace.runSync({ as, argv: [program, "prune", "--all"] });
  });
  return {
    name: "hb",
    files: [program],
    run: (argv, { network = "none", publish, volume, unconfined } = {}) => {
      const bind = volume === undefined ? [] : ["-v", `${volume}:/volume`];
      const filter = unconfined === true ? ["--security-opt", "seccomp=unconfined"] : [];
      const own = as.name === "root" ? "bridge" : "pasta";
      const flags = [...networkFlags(network, own, publish), ...bind, ...filter];
      return { as, argv: [program, "run", ...flags, image, ...argv] };
    },
  };
}

function networkFlags(network: Network, own: string, publish: number | undefined): string[] {
  const ports = publish === undefined ? [] : ["-p", `${publish}:${publish}`];
  return [`--network=${network === "own" ? own : network}`, ...ports];
}

/** podman with the first of crun and runc that works on this machine. */
async function podman(workspace: Workspace, as: Identity, tar: string): Promise<Launcher[]> {
  const program = Bun.which("podman");
  if (program === null) return [absent("podman", "not installed (apt-get install podman)")];
  const global = podmanArguments(workspace, as, program);
  const imported = workspace.runSync({ as, argv: [...global, "import", "-q", tar, "bench"] });
  if (imported !== undefined) return [absent("podman", imported)];
  const reasons: string[] = [];
  for (const runtime of ["crun", "runc"]) {
    const path = Bun.which(runtime);
    if (path === null) continue;
    const launcher = podmanLauncher(global, path, as);
    const tried = await attempt(workspace, launcher);
    if (tried === undefined) return [launcher];
    reasons.push(tried);
  }
  return [absent("podman", reasons.join("; "))];
}

function podmanLauncher(global: readonly string[], runtime: string, as: Identity): Launcher {
  return {
    name: "podman",
    files: [global[0] ?? "", runtime, Bun.which("conmon") ?? ""].filter((file) => file !== ""),
    run: (argv, { network = "none", publish, volume, unconfined } = {}) => {
      const bind = volume === undefined ? [] : ["-v", `${volume}:/volume`];
      const filter = unconfined === true ? ["--security-opt", "seccomp=unconfined"] : [];
      const slirp = Bun.which("slirp4netns") === null ? "pasta" : "slirp4netns";
      const own = networkFlags(network, as.name === "root" ? "bridge" : slirp, publish);
      // podman's own defaults are more than a limited account may have, and then it starts nothing.
      const limits = ["--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000"];
      const flags = ["--rm", "--pull=never", ...own, ...limits, ...bind, ...filter];
      return { as, argv: [...global, "--runtime", runtime, "run", ...flags, "bench", ...argv] };
    },
  };
}

/** podman on a storage of its own under the workspace; what it leaves running is stopped. */
export function podmanArguments(
  workspace: Workspace,
  as: Identity,
  program: string,
  name = "podman",
): string[] {
  const directory = workspace.makeDirectory(as, name);
  const places = ["--root", join(directory, "root"), "--runroot", join(directory, "run")];
  const managers = ["--cgroup-manager=cgroupfs", "--events-backend=file"];
  const global = [program, ...places, "--storage-driver=overlay", ...managers];
  workspace.defer(() => {
    workspace.runSync({ as, argv: [...global, "rm", "--all", "--force", "--time=0"] });
    const removal = ["rm", "-rf", directory];
    if (as.name === "root") rmSync(directory, { recursive: true, force: true });
    else workspace.runSync({ as, argv: [...global, "unshare", ...removal] });
    // Rootless podman keeps its user namespace by a process that only waits.
    const pause = join(as.environment.XDG_RUNTIME_DIR ?? "", "libpod", "tmp", "pause.pid");
    if (existsSync(pause)) {
      process.kill(Number(readFileSync(pause, "utf8")));
      rmSync(pause);
    }
  });
  return global;
}

function absent(name: string, missing: string): Launcher {
  return {
    name,
    missing,
    files: [],
    run: () => {
      throw new Error(missing);
    },
  };
}

/** The launcher, or one that says why a first run failed. */
async function tried(workspace: Workspace, launcher: Launcher): Promise<Launcher> {
  const reason = launcher.missing ?? (await attempt(workspace, launcher));
  return reason === undefined ? launcher : absent(launcher.name, reason);
}

async function attempt(workspace: Workspace, launcher: Launcher): Promise<string | undefined> {
  try {
    await workspace.spend(launcher.run(["/bin/true"]));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
