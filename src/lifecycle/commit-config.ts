/**
 * What a container is to an image made of it: the image's config as `hb run` was told to have it
 * (moby, commit.go). What is this one container's, its host name say, is left out. Pure.
 */

import type { ContainerImage } from "../container/convert.ts";
import { defaultPath } from "../container/defaults.ts";
import { keyOf } from "../container/env.ts";
import type { ImageHealth } from "../container/health.ts";
import type { Plan } from "../container/plan.ts";
import { parsePublish } from "../container/ports.ts";
import { HbError } from "../errors.ts";
import type { JsonObject } from "../image/json.ts";
import { healthcheckOf } from "./inspection.ts";
import { labelsOf } from "./summary.ts";

/** `config.config` of an image in the wire's spelling; what is empty is left out. */
export function committedConfig(plan: Plan): JsonObject {
  const { hb } = plan;
  if (hb.origin === undefined) throw new HbError("what it was made from is not known");
  const { options } = hb.origin;
  const image: ContainerImage & ImageHealth = hb.origin.config;
  const { entrypoint, command } = options;
  const isReplaced = entrypoint !== undefined;
  const published = options.publish
    .flatMap(parsePublish)
    .map(({ containerPort, protocol }) => `${containerPort}/${protocol}`);
  const config = {
    User: hb.user,
    ExposedPorts: asKeys([...image.ExposedPorts, ...published]),
    Env: environment(plan, image),
    Entrypoint: isReplaced ? [entrypoint].filter((word) => word !== "") : image.Entrypoint,
    Cmd: isReplaced || command.length > 0 ? command : image.Cmd,
    Volumes: asKeys([...image.Volumes, ...hb.volumes]),
    WorkingDir: options.workdir ?? image.WorkingDir,
    Labels: labelsOf(plan),
    StopSignal: options.stopSignal ?? image.StopSignal ?? "",
    Healthcheck: health(plan, image),
    Shell: image.Shell ?? [],
  };
  return Object.fromEntries(Object.entries(config).filter(([, value]) => !isEmpty(value)));
}

/** Without what every container gets, unless its image has said the same. */
function environment({ process, hostname }: Plan, image: ContainerImage): readonly string[] {
  const ours = [`HOSTNAME=${hostname}`, `PATH=${defaultPath}`, "TERM=xterm"];
  const named = new Set(image.Env.map(keyOf));
  return process.env.filter((entry) => !ours.includes(entry) || named.has(keyOf(entry)));
}

function health({ hb }: Plan, image: ImageHealth): object {
  const options = hb.origin?.options;
  if (options?.noHealthcheck === true) return { Test: ["NONE"] };
  const isAsked = Object.entries(options ?? {}).some(
    ([name, value]) => /^health[A-Z]/.test(name) && value !== undefined,
  );
  return isAsked && hb.life.health !== undefined
    ? healthcheckOf(hb.life.health)
    : (image.Healthcheck ?? {});
}

function asKeys(names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, {}]));
}

function isEmpty(value: string | object): boolean {
  return typeof value === "string" ? value === "" : Object.keys(value).length === 0;
}
