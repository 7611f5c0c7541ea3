/**
 * Image config + options + facts -> the plan (image-spec conversion.md, docker's rules). Pure: the
 * whole of it is tested by golden files, without privileges.
 */

import { HbError } from "../errors.ts";
import type { ContainerFlags } from "../options.ts";
import { capabilitySets, chooseCapabilities } from "./capabilities.ts";
import { maskedPaths, ociVersion, readonlyPaths } from "./defaults.ts";
import { buildEnvironment } from "./env.ts";
import { chooseHostname, nameFiles } from "./etc.ts";
import type { HostFacts } from "./facts.ts";
import { chooseAnnotations, type ImageLabels } from "./labels.ts";
import { type LimitWishes, parseLimits, parseOomScoreAdj } from "./limits.ts";
import { chooseMounts } from "./mounts.ts";
import { type NetworkChoice, networkOf, networkSysctls } from "./network.ts";
import type { Origin } from "./origin.ts";
import type { Extension, Life, Linux, Namespace, NamespaceType, Plan, Seccomp } from "./plan.ts";
import { chooseArgs, chooseUser, chooseWorkingDirectory, type ImageProcess } from "./process.ts";
import { parseSecurityOptions } from "./security.ts";
import { parseUlimits } from "./ulimits.ts";

/** What of an image config a container comes from; `image/config.ts` has it. */
export interface ContainerImage extends ImageProcess, ImageLabels {
  readonly Env: readonly string[];
  readonly Volumes: readonly string[];
  readonly ExposedPorts: readonly string[];
}

/** An image that says nothing: what `--rootfs` starts from, with docker's shell of last resort. */
export const bareImage: ContainerImage = {
  Entrypoint: [],
  Cmd: ["/bin/sh"],
  WorkingDir: "",
  User: "",
  Env: [],
  Volumes: [],
  ExposedPorts: [],
  Labels: {},
};

export interface ConvertInput {
  readonly options: ContainerOptions;
  readonly image: ContainerImage;
  readonly facts: HostFacts;
  readonly network: NetworkChoice;
  /** What the root is made of. */
  readonly root: RootChoice;
  readonly container: Extension["container"];
  /** How it lives on (life.ts). */
  readonly life: Life;
  /** Absent where nobody will ask. */
  readonly origin?: Origin;
  /** Turns the chosen profile and capabilities into a filter. */
  readonly seccomp: (request: SeccompRequest) => Seccomp;
}

export interface ContainerOptions extends ContainerFlags, LimitWishes {
  /** For messages: what the user called the image or directory. */
  readonly image: string;
  readonly command: readonly string[];
  readonly interactive: boolean;
  readonly init: boolean;
}

export type RootChoice =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "layers"; readonly lowerdirs: readonly string[] };

export interface SeccompRequest {
  /** A profile's text in docker's format; absent: the default profile. */
  readonly profile?: string;
  readonly capabilities: readonly string[];
  readonly architecture: string;
  readonly kernel: string;
}

/** The container that `options` ask for. */
export function convert(input: ConvertInput): Plan {
  const { options, image, facts, network, container } = input;
  const security = parseSecurityOptions(options.securityOpt);
  const hostname = chooseHostname(options, container.id, facts);
  const capabilities = chooseCapabilities(options, facts);
  const { mounts, volumes } = chooseMounts(
    { ...options, network, imageVolumes: image.Volumes },
    facts,
  );
  const mounted = new Set(mounts.map((mount) => mount.destination));
  const files = nameFiles(options, network, hostname, facts);
  const resources = parseLimits(options, facts);
  const oomScoreAdj = parseOomScoreAdj(options, facts);
  const isOpen = options.privileged || security.unmasked;
  return {
    ociVersion,
    process: {
      terminal: options.tty,
      user: { uid: 0, gid: 0, additionalGids: [] },
      args: chooseArgs(options, image, options.image),
      env: buildEnvironment({ ...options, imageEnv: image.Env, hostname }, facts),
      cwd: chooseWorkingDirectory(options, image),
      capabilities: capabilitySets(capabilities),
      rlimits: parseUlimits(options.ulimit),
      noNewPrivileges: security.noNewPrivileges,
      ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }),
    },
    root: {
      path: input.root.kind === "directory" ? input.root.path : `${container.directory}/rootfs`,
      readonly: options.readOnly,
    },
    hostname,
    annotations: chooseAnnotations(options, image, facts),
    mounts,
    linux: {
      ...isolation(facts, network),
      sysctl: networkSysctls(network, facts),
      maskedPaths: isOpen ? [] : [...maskedPaths, ...facts.thermalThrottle],
      readonlyPaths: isOpen ? [] : readonlyPaths,
      ...chooseSeccomp(input, security.seccomp, capabilities),
      ...(resources === undefined ? {} : { resources }),
    },
    hb: {
      container,
      ...overlayOf(input),
      // A file the user mounts at the same place is the user's word on it.
      files: files.filter((file) => !mounted.has(file.destination)),
      user: chooseUser(options, image),
      groupAdd: options.groupAdd,
      volumes,
      ...(facts.identity.idTools === undefined ? {} : { idTools: facts.identity.idTools }),
      interactive: options.interactive,
      init: options.init,
      ...networkOf(network),
      life: input.life,
      ...(input.origin === undefined ? {} : { origin: input.origin }),
    },
  };
}

function isolation(
  facts: HostFacts,
  network: NetworkChoice,
): Pick<Linux, "uidMappings" | "gidMappings" | "namespaces"> {
  const { uidMappings, gidMappings } = facts.identity;
  const types: NamespaceType[] = ["mount", "pid", "ipc", "uts", "cgroup"];
  if (network.mode !== "host" && network.mode !== "joined") types.push("network");
  const joined = network.mode === "joined" ? network.namespaces : [];
  const joinsUser = joined.some(({ type }) => type === "user");
  if (uidMappings.length > 0 && !joinsUser) types.unshift("user");
  const namespaces = [...types.map((type): Namespace => ({ type })), ...joined];
  // Whoever made the user namespace has mapped its ids.
  return joinsUser
    ? { uidMappings: [], gidMappings: [], namespaces }
    : { uidMappings, gidMappings, namespaces };
}

function overlayOf({ root, facts }: ConvertInput): Pick<Extension, "overlay"> {
  if (root.kind === "directory") return {};
  // A layer that occurs twice adds nothing the second time, and overlayfs refuses it (ELOOP).
  const lowerdirs = [...new Set(root.lowerdirs)];
  return { overlay: { lowerdirs, userxattr: facts.identity.uidMappings.length > 0 } };
}

function chooseSeccomp(
  { options, facts, seccomp }: ConvertInput,
  asked: string | undefined,
  capabilities: readonly string[],
): Pick<Linux, "seccomp"> {
  if (asked === "unconfined" || (asked === undefined && options.privileged)) return {};
  const { architecture, kernel } = facts;
  const request = { capabilities, architecture, kernel };
  if (asked === undefined) return { seccomp: seccomp(request) };
  const profile = facts.readText(asked);
  try {
    return { seccomp: seccomp({ ...request, profile }) };
  } catch (error) {
    throw new HbError(`Cannot use --security-opt "seccomp=${asked}"`, { cause: error });
  }
}
