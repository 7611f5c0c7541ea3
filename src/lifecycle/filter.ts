/** `hb ps --filter`: docker's filters. Filters of one name are alternatives, names add up. */

import { HbError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { bindSources } from "./ps-row.ts";
import { nameOf } from "./select.ts";
import { type Described, labelsOf, networkName, publishedPorts } from "./summary.ts";

type Test = (described: Described, value: string, all: readonly Described[]) => boolean;

const tests: Readonly<Record<string, Test>> = {
  ancestor: ({ plan }, value) => isAncestor(plan.hb.origin, value),
  before: (each, value, all) => createdAt(each) < createdAt(pick(all, value, "before")),
  exited: ({ state }, value) => state.status === "exited" && String(state.exitCode) === value,
  expose: ({ plan }, value) => isPort(plan.hb.origin?.config.ExposedPorts ?? [], value),
  health: ({ state }, value) => (state.health?.status ?? "none") === value,
  id: ({ known }, value) => known.id.startsWith(value),
  label: ({ plan }, value) => hasLabel(labelsOf(plan), value),
  name: ({ known }, value) => new RegExp(value).test(nameOf(known)),
  network: ({ plan }, value) => networkName(plan) === value,
  publish: ({ plan }, value) => {
    const ports = publishedPorts(plan).map((port) => `${port.containerPort}/${port.protocol}`);
    return isPort(ports, value);
  },
  since: (each, value, all) => createdAt(each) > createdAt(pick(all, value, "since")),
  status: ({ state }, value) => state.status === value,
  volume: (each, value) => isMounted(each, value),
};

const statuses = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];

/** The containers that all `filters` (`NAME=VALUE`) let through. */
export function filterContainers(
  all: readonly Described[],
  filters: readonly string[],
): readonly Described[] {
  const asked = new Map<string, string[]>();
  for (const text of filters) {
    const [name, value] = parseFilter(text);
    asked.set(name, [...(asked.get(name) ?? []), value]);
  }
  return all.filter((each) =>
    [...asked].every(([name, values]) => {
      const passes = (value: string) => tests[name]?.(each, value, all) ?? false;
      // Labels add up, as in docker; everything else is one of several.
      return name === "label" ? values.every(passes) : values.some(passes);
    }),
  );
}

/** Whether ended containers are asked for by the filters themselves, as docker has it. */
export function looksAtEnded(filters: readonly string[]): boolean {
  return filters.some((text) => /^(status|exited)=/.test(text));
}

function parseFilter(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  const name = text.slice(0, at < 0 ? undefined : at).toLowerCase();
  const value = text.slice(at + 1);
  const doing = `Cannot use --filter ${JSON.stringify(text)}`;
  if (at < 0) throw new HbError(doing, { hint: "write NAME=VALUE, for example status=exited" });
  if (!Object.hasOwn(tests, name)) {
    const known = Object.keys(tests);
    const meant = nearest(name, known);
    throw new HbError(`${doing}: there is no filter "${name}"`, {
      hint: meant === undefined ? `use one of: ${known.join(", ")}` : `did you mean ${meant}?`,
    });
  }
  if (name === "status" && !statuses.includes(value)) {
    throw new HbError(doing, { hint: `use one of: ${statuses.join(", ")}` });
  }
  if (name === "name") checkPattern(doing, value);
  return [name, value];
}

function checkPattern(doing: string, value: string): void {
  try {
    new RegExp(value);
  } catch (error) {
    throw new HbError(doing, { cause: error });
  }
}

function createdAt({ plan }: Described): number {
  return Date.parse(plan.hb.origin?.createdAt ?? "");
}

function pick(all: readonly Described[], text: string, filter: string): Described {
  const found = all.find(({ known }) => known.id.startsWith(text) || nameOf(known) === text);
  if (found !== undefined) return found;
  throw new HbError(`Cannot use --filter ${filter}=${text}: no such container`);
}

function hasLabel(labels: Readonly<Record<string, string>>, value: string): boolean {
  const at = value.indexOf("=");
  if (at < 0) return Object.hasOwn(labels, value);
  return labels[value.slice(0, at)] === value.slice(at + 1);
}

function isAncestor(
  origin: { readonly image: string; readonly imageId: string } | undefined,
  value: string,
): boolean {
  if (origin === undefined) return false;
  const hex = origin.imageId.replace(/^sha256:/, "");
  const bare = value.replace(/^sha256:/, "");
  if (/^[0-9a-f]{12,64}$/.test(bare) && hex.startsWith(bare)) return true;
  return origin.image === value || origin.image === `${value}:latest`;
}

/** `80`, `80/tcp`, `8000-8010/udp`. */
function isPort(ports: readonly string[], value: string): boolean {
  const [, from, to = from, protocol = "tcp"] = /^(\d+)(?:-(\d+))?(?:\/(\w+))?$/.exec(value) ?? [];
  if (from === undefined) return false;
  return ports.some((port) => {
    const [number = "", own = "tcp"] = port.split("/");
    return own === protocol && Number(number) >= Number(from) && Number(number) <= Number(to);
  });
}

function isMounted(each: Described, value: string): boolean {
  const destinations = each.plan.mounts.filter(({ type }) => type === "bind");
  return (
    bindSources(each).includes(value) ||
    destinations.some(({ destination }) => destination === value)
  );
}
