/** What a container was made from, as it was asked for: enough to show it, and to make it again. */

import { resolve } from "node:path/posix";
import type { CreateOptions } from "../options/containers.ts";
import type { ContainerImage } from "./convert.ts";
import { userVariables } from "./env.ts";
import type { HostFacts } from "./facts.ts";
import { userLabels } from "./labels.ts";

/** Kept in the plan as `hb.origin`. */
export interface Origin {
  /** What the user called the image, or the directory of `--rootfs`. */
  readonly image: string;
  /** The digest of the image's config; "" with `--rootfs`. */
  readonly imageId: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** Names of layer directories in the store, the topmost first; none with `--rootfs`. */
  readonly layers: readonly string[];
  readonly options: CreateOptions;
  /** What the image says of its process. */
  readonly config: ContainerImage;
  /** What relative names in `options` start from; absent where no other command will read them. */
  readonly workingDirectory?: string;
}

/**
 * `origin` with all that its options take from the caller, not the machine: variables, files and
 * the working directory. A start next week, from another directory, makes the same container.
 */
export function frozen(origin: Origin, facts: HostFacts): Origin {
  const { options } = origin;
  const { workingDirectory } = facts;
  return {
    ...origin,
    workingDirectory,
    options: {
      ...options,
      httpProxy: false,
      env: userVariables(options, facts),
      envFile: [],
      label: userLabels(options, facts),
      labelFile: [],
      securityOpt: options.securityOpt.map((text) => {
        const file = /^seccomp[=:](?!unconfined$|builtin$)(.+)$/s.exec(text)?.[1];
        return file === undefined ? text : `seccomp=${resolve(workingDirectory, file)}`;
      }),
      ...(options.rootfs === undefined
        ? {}
        : { rootfs: resolve(workingDirectory, options.rootfs) }),
    },
  };
}

/** The machine as it is, and the caller as he was when `origin` was made. */
export function factsFor({ workingDirectory }: Origin, facts: HostFacts): HostFacts {
  if (workingDirectory === undefined) return facts;
  return Object.create(facts, {
    workingDirectory: { value: workingDirectory },
    variable: { value: () => undefined },
  }) as HostFacts;
}
