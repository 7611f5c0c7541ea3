/** `hb info`: hb, its store and this machine, with the field names of docker's and podman's. */

import { readFileSync } from "node:fs";
import { cpus, hostname, machine, release, totalmem } from "node:os";
import { version } from "../../package.json";
import { additionalStores } from "../additional.ts";
import { cgroupFacts } from "../host/cgroup.ts";
import { describeAll } from "../lifecycle/summary.ts";
import type { FormatOptions } from "../options.ts";
import { formatDocument } from "../output/listing.ts";
import { humanSize, printResult } from "../output.ts";
import { readRegistryRules } from "../registry/registries-conf.ts";
import { listImages } from "../store/images.ts";
import { currentStore } from "../store/layout.ts";

/** Prints lines for people, or what `--format` says. */
export async function info({ format }: FormatOptions): Promise<number> {
  const facts = collect();
  if (format !== undefined) printResult(formatDocument(facts, format));
  else for (const line of linesOf(facts)) printResult(line);
  return 0;
}

type Facts = ReturnType<typeof collect>;

function collect() {
  const store = currentStore();
  const cgroup = cgroupFacts();
  const isRootless = process.geteuid?.() !== 0;
  const states = describeAll(store).map(({ state }) => state.status);
  const count = (...wanted: string[]) => states.filter((state) => wanted.includes(state)).length;
  const running = count("running", "restarting");
  const paused = count("paused");
  const images = new Set(listImages(store).map(({ record }) => record.config)).size;
  const security = ["name=seccomp,profile=builtin", ...(isRootless ? ["name=rootless"] : [])];
  const system = operatingSystem();
  const machineFacts = { NCPU: cpus().length, MemTotal: totalmem(), Architecture: machine() };
  return {
    ServerVersion: version,
    Name: hostname(),
    Driver: "overlay",
    DockerRootDir: store.root as string,
    AdditionalStores: additionalStores([]).map(({ root }) => root as string),
    Containers: states.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: states.length - running - paused,
    Images: images,
    ...machineFacts,
    OSType: "linux",
    OperatingSystem: system.PRETTY_NAME ?? "Linux",
    OSVersion: system.VERSION_ID ?? "",
    KernelVersion: release(),
    CgroupDriver: cgroupDriver(cgroup),
    CgroupVersion: cgroup.version === undefined ? "" : String(cgroup.version),
    SecurityOptions: [...security, ...(cgroup.version === 2 ? ["name=cgroupns"] : [])],
    DefaultRuntime: "hb",
    RegistryConfig: registries(),
    ...podmans({ root: store.root, isRootless, images, containers: states.length }),
  };
}

/** Where podman has the few things that scripts ask it for. */
function podmans(known: {
  readonly root: string;
  readonly isRootless: boolean;
  readonly images: number;
  readonly containers: number;
}) {
  const { root, isRootless, images, containers } = known;
  return {
    Host: { Security: { Rootless: isRootless } },
    Store: {
      GraphRoot: root,
      GraphDriverName: "overlay",
      ImageStore: { Number: images },
      ContainerStore: { Number: containers },
    },
    Version: { Version: version },
  };
}

/** Root's cgroups are made by hand where systemd is not there to be asked. */
function cgroupDriver({ manager, uid, version: number }: ReturnType<typeof cgroupFacts>): string {
  if (number === undefined || (number === 1 && uid !== 0)) return "none";
  return number === 2 && manager !== undefined ? "systemd" : "cgroupfs";
}

/** Prefixes with what is asked instead of them, in docker's form. */
function registries() {
  const { mirrors, tables } = readRegistryRules({ env: process.env });
  const all = [
    ...mirrors.map(({ prefix, mirror }) => ({ prefix, mirrors: [mirror], insecure: false })),
    ...tables,
  ];
  const prefixes = [...new Set(all.map(({ prefix }) => prefix))];
  const configs = prefixes.map((prefix) => {
    const own = all.filter((each) => each.prefix === prefix);
    const Mirrors = own.flatMap((each) => each.mirrors.map(({ location }) => location));
    const Secure = own.every(({ insecure }) => !insecure);
    return [prefix, { Name: prefix, Mirrors, Secure, Official: prefix === "docker.io" }] as const;
  });
  return { IndexConfigs: Object.fromEntries(configs) };
}

/** os-release(5). */
function operatingSystem(): Readonly<Record<string, string>> {
  const text = read("/etc/os-release") ?? read("/usr/lib/os-release") ?? "";
  const lines = text.matchAll(/^([A-Z_]+)=["']?(.*?)["']?$/gm);
  return Object.fromEntries([...lines].map(([, name = "", value = ""]) => [name, value]));
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

function linesOf(facts: Facts): string[] {
  const mirrored = Object.values(facts.RegistryConfig.IndexConfigs)
    .filter(({ Mirrors }) => Mirrors.length > 0)
    .map(({ Name, Mirrors }) => ` ${Name}: ${Mirrors.join(", ")}`);
  const cgroup = facts.CgroupVersion === "" ? "none" : `version ${facts.CgroupVersion}`;
  return [
    `Version: ${facts.ServerVersion}`,
    `Store: ${facts.DockerRootDir} (${facts.Driver})`,
    ...facts.AdditionalStores.map((root) => ` Besides: ${root}`),
    `Images: ${facts.Images}`,
    `Containers: ${facts.Containers}`,
    ` Running: ${facts.ContainersRunning}`,
    ` Paused: ${facts.ContainersPaused}`,
    ` Stopped: ${facts.ContainersStopped}`,
    `Rootless: ${facts.Host.Security.Rootless ? "yes" : "no"}`,
    `Cgroups: ${cgroup}, driver ${facts.CgroupDriver}`,
    `Security options: ${facts.SecurityOptions.join(" ")}`,
    `Operating system: ${facts.OperatingSystem}`,
    `Kernel: ${facts.KernelVersion}`,
    `Architecture: ${facts.Architecture}`,
    `CPUs: ${facts.NCPU}`,
    `Memory: ${humanSize(facts.MemTotal)}`,
    `Name: ${facts.Name}`,
    ...(mirrored.length > 0 ? ["Registry mirrors:", ...mirrored] : []),
  ];
}
