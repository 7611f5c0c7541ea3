/**
 * Golden files: tests/golden/<sentence>/ holds `argv` (one argument a line), maybe `config.json`
 * (the image's) and `facts.json` (what differs from the machine below), and the outcome:
 * `plan.json` or `stderr`. `UPDATE_GOLDEN=1 bun test` writes outcomes anew; the diff is the review.
 */

import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseCommandLine } from "../cli.ts";
import { formatError } from "../errors.ts";
import { parseConfig } from "../image/config.ts";
import type { RunOptions } from "../options/containers.ts";
import { bareImage, convert, type SeccompRequest } from "./convert.ts";
import type { FileKind, HostFacts } from "./facts.ts";
import { briefLife } from "./life.ts";
import { decideNetwork, type NetworkChoice, type NetworkIntent } from "./network.ts";
import { behindPasta } from "./pasta.ts";
import type { Plan } from "./plan.ts";

const golden = join(import.meta.dir, "../../tests/golden");
const id = "0123456789abcdef".repeat(4);

/** The machine every golden run is on: rootless, a subordinate range, cgroup v2. */
const machine = {
  identity: {
    uidMappings: [
      { containerID: 0, hostID: 1000, size: 1 },
      { containerID: 1, hostID: 100000, size: 65536 },
    ],
    gidMappings: [
      { containerID: 0, hostID: 1000, size: 1 },
      { containerID: 1, hostID: 100000, size: 65536 },
    ],
    idTools: { newuidmap: "/usr/bin/newuidmap", newgidmap: "/usr/bin/newgidmap" },
  },
  architecture: "amd64",
  kernel: "6.1",
  hostname: "machine",
  hosts: "127.0.0.1\tlocalhost\n10.0.0.9\tprinter\n",
  resolvConf: "nameserver 10.0.0.1\nsearch example.org\noptions ndots:2\n",
  resolvedUpstreams: "nameserver 192.168.1.1\n",
  network: {
    pasta: "/usr/bin/pasta",
    hasTun: true,
    installPasta: "sudo apt-get install -y passt",
    canBridge: true,
    address4: "192.168.1.7",
    address6: "2001:db8::7",
  },
  cgroup: "unified",
  onlineCpus: "0-3",
  onlineMemoryNodes: "0",
  oomScoreAdj: 0,
  workingDirectory: "/home/u/project",
  home: "/home/u",
  lastCapability: 40,
  boundingCapabilities: "0x1ffffffffff",
  thermalThrottle: ["/sys/devices/system/cpu/cpu0/thermal_throttle"],
  devices: ["/dev/kvm", "/dev/net/tun"],
  variables: { LANG: "C.UTF-8", EMPTY: "" },
  files: {
    "/home/u/project": "directory",
    "/home/u/project/src": "directory",
    "/home/u/.config": "directory",
    "/data": "directory",
    "/etc/hosts": "file",
    "/dev/kvm": "device",
    "/dev/null": "device",
  } as Record<string, FileKind>,
  texts: {
    env: "# comment\nA=from file\n\nLANG\nABSENT\nB=2\n",
    "bad-env": "A=1\nB C=2\n",
    labels: "stage=test\nbare\n",
    profile: "{}",
  } as Record<string, string>,
};

function factsOf(directory: string): HostFacts {
  const file = join(directory, "facts.json");
  const changes = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  const { variables, files, texts, boundingCapabilities, ...plain } = { ...machine, ...changes };
  return {
    ...plain,
    boundingCapabilities: BigInt(boundingCapabilities),
    variable: (name: string) => (variables as Record<string, string>)[name],
    fileKind: (path: string) => files[path],
    blockDevice: (path: string) => (path === "/dev/sda" ? { major: 8, minor: 0 } : undefined),
    readText: (path: string) => texts[path] ?? "",
    emulates: () => false,
  };
}

/** What network/ would grant: random ports from 49153 on, and the first address of the network. */
function granted(intent: NetworkIntent, options: RunOptions, facts: HostFacts): NetworkChoice {
  let next = 49153;
  const ports = "ports" in intent ? intent.ports : [];
  const chosen = ports.map((port) => ({ ...port, hostPort: port.hostPort || next++ }));
  switch (intent.mode) {
    case "pasta":
      return behindPasta(intent, chosen, options, facts);
    case "bridge": {
      const { name, ip = "10.89.0.2", mac } = intent;
      const bridge = {
        ...{ name, address4: `${ip}/16`, gateway4: "10.89.0.1" },
        ...{ address6: "fd00:1:2::2/64", gateway6: "fd00:1:2::1" },
        ...(mac === undefined ? {} : { mac }),
        internal: false,
        publish: chosen.map(({ written: _, ...publish }) => publish),
        state: `/run/hb/networks/${name}`,
      };
      const hostsFile = { hostsFile: `${bridge.state}/hosts/${ip}` };
      return { mode: "bridge", bridge, ...(name === "hb0" ? {} : hostsFile) };
    }
    case "host":
    case "none":
      return { mode: intent.mode };
    default: {
      const types = facts.identity.uidMappings.length > 0 ? (["user", "network"] as const) : [];
      const namespaces = types.map((type, index) => ({ type, path: `/proc/self/fd/${index + 7}` }));
      return { mode: "joined", namespaces, files: { hosts: "10.0.2.100\tother\n" } };
    }
  }
}

function planOf(directory: string): Plan {
  const argv = readFileSync(join(directory, "argv"), "utf8").replace(/\n$/, "").split("\n");
  const { command, options } = parseCommandLine(["run", ...argv]);
  if (command !== "run") throw new Error("argv asks for help");
  const configFile = join(directory, "config.json");
  const image = existsSync(configFile)
    ? parseConfig(readFileSync(configFile)).config
    : { ...bareImage };
  const facts = factsOf(directory);
  const intent = decideNetwork(options, image.ExposedPorts, facts);
  return convert({
    network: granted(intent, options, facts),
    options: { ...options, image: options.image ?? options.rootfs ?? "" },
    image,
    facts,
    root:
      options.rootfs === undefined
        ? { kind: "layers", lowerdirs: ["/store/layers/b/diff", "/store/layers/a/diff"] }
        : { kind: "directory", path: options.rootfs },
    container: { id, directory: `/store/containers/${id}`, keep: options.rm === false },
    life: briefLife,
    seccomp: seccompStub,
  });
}

/** The profile itself is seccomp.ts's matter; here only which one was asked for. */
function seccompStub({ profile, capabilities, architecture, kernel }: SeccompRequest) {
  const asked = `${profile ?? "default"} for ${capabilities.length} on ${architecture} ${kernel}`;
  return { defaultAction: asked, architectures: [], syscalls: [] };
}

function outcomeOf(directory: string): { readonly file: string; readonly text: string } {
  try {
    const text = JSON.stringify(
      planOf(directory),
      (_key, value) => (value === Number.POSITIVE_INFINITY ? "infinity" : value),
      2,
    );
    return { file: "plan.json", text: `${text}\n` };
  } catch (error) {
    return { file: "stderr", text: `hb: ${formatError(error)}\n` };
  }
}

describe("convert()", () => {
  for (const sentence of readdirSync(golden)) {
    const directory = join(golden, sentence);
    test(sentence.replaceAll("-", " "), () => {
      const { file, text } = outcomeOf(directory);
      if (process.env.UPDATE_GOLDEN === "1") {
        for (const old of ["plan.json", "stderr"]) rmSync(join(directory, old), { force: true });
        writeFileSync(join(directory, file), text);
      }
      expect(existsSync(join(directory, file))).toBe(true);
      expect(text).toBe(readFileSync(join(directory, file), "utf8"));
    });
  }
});
