/** `-v`, `--mount`, `--tmpfs` -> mounts and anonymous volumes, as docker reads them. Pure. */

import { normalize, resolve } from "node:path/posix";
import { HbError, UsageError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import type { HostFacts } from "./facts.ts";
import type { Mount } from "./plan.ts";
import { parseSize } from "./units.ts";

/** What one flag asks for: a mount, or a directory that only has to be there and writable. */
export type Wish =
  | { readonly kind: "mount"; readonly mount: Mount }
  | { readonly kind: "volume"; readonly destination: string };

type Facts = Pick<HostFacts, "fileKind" | "home" | "workingDirectory">;

interface Bind {
  readonly flag: string;
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  readonly recursive: boolean;
}

/** `SRC:DST[:OPTIONS]`, or `DST` for an anonymous volume. */
export function parseVolume(text: string, facts: Facts): Wish {
  const flag = `-v "${text}"`;
  const [first = "", second, options, ...more] = text.split(":");
  if (first === "" || second === "" || options === "" || more.length > 0) {
    throw new UsageError(`Cannot use ${flag}: it is not SOURCE:DESTINATION[:OPTIONS]`, {
      hint: "use --mount type=bind,src=…,dst=… for names that contain a colon",
    });
  }
  if (second === undefined) return { kind: "volume", destination: parseTarget(first, flag) };
  if (!/^[./~]/.test(first)) throw namedVolume(flag, first);
  const readonly = parseVolumeOptions(options, flag);
  const target = parseTarget(second, flag);
  return bind({ flag, source: first, target, readonly, recursive: true }, facts);
}

/** `type=bind,src=…,dst=…` and docker's other keys. */
export function parseMount(text: string, facts: Facts): Wish {
  const flag = `--mount "${text}"`;
  const keys = parseMountKeys(text, flag);
  const type = keys.get("type") ?? "volume";
  const target = keys.get("target");
  if (target === undefined) throw new UsageError(`Cannot use ${flag}: it has no destination`);
  const destination = parseTarget(target, flag);
  const readonly = parseKeyBoolean(keys.get("readonly"), flag);
  const source = keys.get("source");
  refuseForeignKeys(keys, type, flag);
  if (type === "bind") {
    if (source === undefined) throw new UsageError(`Cannot use ${flag}: it has no source`);
    checkPropagation(keys.get("bind-propagation"), flag);
    const recursive = keys.get("bind-recursive") !== "disabled";
    return bind({ flag, source, target: destination, readonly, recursive }, facts);
  }
  if (type === "tmpfs") {
    if (source !== undefined) throw new UsageError(`Cannot use ${flag}: a tmpfs has no source`);
    const data = [
      ...(readonly ? ["ro"] : []),
      ...tmpfsSize(keys.get("tmpfs-size")),
      ...tmpfsMode(keys.get("tmpfs-mode"), flag),
    ];
    return { kind: "mount", mount: tmpfs(destination, data) };
  }
  if (type !== "volume") {
    throw new UsageError(`Cannot use ${flag}: there is no type "${type}"`, {
      hint: "use type=bind or type=tmpfs",
    });
  }
  if (source !== undefined) throw namedVolume(flag, source);
  return { kind: "volume", destination };
}

/** `DST[:OPTIONS]`; nothing on it is executable, set-user-ID or a device unless asked for. */
export function parseTmpfs(text: string): Mount {
  const flag = `--tmpfs "${text}"`;
  const colon = text.indexOf(":");
  const target = colon === -1 ? text : text.slice(0, colon);
  const options = colon === -1 ? [] : text.slice(colon + 1).split(",");
  for (const option of options) checkTmpfsOption(option, flag);
  return tmpfs(parseTarget(target, flag), options);
}

const OPPOSITES: Readonly<Record<string, string>> = {
  exec: "noexec",
  suid: "nosuid",
  rw: "ro",
};

function tmpfs(destination: string, options: readonly string[]): Mount {
  // mount(8): what comes later wins; the defaults are moby's.
  const chosen = new Set(["noexec", "nosuid", "nodev"]);
  for (const option of options) {
    const opposite = OPPOSITES[option];
    if (opposite === undefined) chosen.add(option);
    else chosen.delete(opposite);
  }
  return { destination, type: "tmpfs", source: "tmpfs", options: [...chosen] };
}

const TMPFS_FLAGS = ["exec", "noexec", "suid", "nosuid", "nodev", "ro", "rw"];
const TMPFS_DATA: Readonly<Record<string, RegExp>> = {
  size: /^\d+[kmgKMG%]?$/,
  mode: /^[0-7]{1,5}$/,
  uid: /^\d+$/,
  gid: /^\d+$/,
  nr_inodes: /^\d+[kmgKMG]?$/,
  nr_blocks: /^\d+[kmgKMG]?$/,
};

function checkTmpfsOption(option: string, flag: string): void {
  const [, name = "", value] = /^([^=]*)(?:=(.*))?$/.exec(option) ?? [];
  if (value === undefined && TMPFS_FLAGS.includes(name)) return;
  const form = Object.hasOwn(TMPFS_DATA, name) ? TMPFS_DATA[name] : undefined;
  if (form !== undefined && value !== undefined && form.test(value)) return;
  const known = [...TMPFS_FLAGS, ...Object.keys(TMPFS_DATA).map((key) => `${key}=`)];
  throw new UsageError(`Cannot use ${flag}: "${option}" is no option of it`, {
    hint: `use ${known.join(", ")}`,
  });
}

function tmpfsSize(text: string | undefined): string[] {
  return text === undefined ? [] : [`size=${parseSize(text, "tmpfs-size")}`];
}

function tmpfsMode(text: string | undefined, flag: string): string[] {
  if (text === undefined) return [];
  if (/^[0-7]{1,5}$/.test(text)) return [`mode=${text}`];
  throw new UsageError(`Cannot use ${flag}: tmpfs-mode is octal, for example 1777`);
}

function bind({ flag, source, target, readonly, recursive }: Bind, facts: Facts): Wish {
  const path = hostPath(source, flag, facts);
  const kind = facts.fileKind(path);
  if (kind === undefined) {
    throw new HbError(`Cannot use ${flag}: "${path}" does not exist`, {
      hint: `make it first: mkdir -p ${path}`,
    });
  }
  // nodev: without a device cgroup a node on a volume would open the host's disk.
  const options = [recursive ? "rbind" : "bind", "rprivate", "nodev"];
  // rro: read-only also where something else is mounted below the source.
  if (readonly) options.push("ro", ...(recursive ? ["rro"] : []));
  return { kind: "mount", mount: { destination: target, type: "bind", source: path, options } };
}

/** `./x` from where hb was called, `~/x` from HOME. */
function hostPath(source: string, flag: string, facts: Facts): string {
  if (source !== "~" && !source.startsWith("~/")) return resolve(facts.workingDirectory, source);
  if (facts.home !== undefined) return resolve(facts.home, `.${source.slice(1)}`);
  throw new UsageError(`Cannot use ${flag}: HOME is not set, so '~' means nothing`);
}

function namedVolume(flag: string, name: string): UsageError {
  return new UsageError(`Cannot use ${flag}: "${name}" would be a named volume, hb has none`, {
    hint: `write ./${name} for a directory here`,
  });
}

/** A place in the container: absolute, and not its root. */
export function parseTarget(target: string, flag: string): string {
  const path = normalize(target).replace(/(?<=.)\/+$/, "");
  if (path.startsWith("/") && path !== "/" && !path.includes("\0")) return path;
  throw new UsageError(`Cannot use ${flag}: "${target}" is not an absolute path below /`, {
    hint: "name the place in the container from its root: /data",
  });
}

const VOLUME_OPTIONS = ["ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated"];

/** True for read-only. Labels and consistency mean nothing here; nocopy is what hb does. */
function parseVolumeOptions(options: string | undefined, flag: string): boolean {
  let readonly = false;
  for (const option of options?.split(",") ?? []) {
    if (option === "ro" || option === "rw") readonly = option === "ro";
    else if (!VOLUME_OPTIONS.includes(option)) checkPropagation(option, flag);
  }
  return readonly;
}

/** The container's mounts are private to it: nothing else can be kept in a namespace of its own. */
function checkPropagation(option: string | undefined, flag: string): void {
  if (option === undefined || option === "rprivate" || option === "private") return;
  if (["shared", "rshared", "slave", "rslave"].includes(option)) {
    throw new UsageError(`Cannot use ${flag}: a container's mounts are private, not "${option}"`);
  }
  throw new UsageError(`Cannot use ${flag}: "${option}" is no option of it`, {
    hint: "use ro or rw",
  });
}

const MOUNT_KEYS: Readonly<Record<string, string>> = {
  type: "type",
  source: "source",
  src: "source",
  target: "target",
  dst: "target",
  destination: "target",
  readonly: "readonly",
  ro: "readonly",
  consistency: "consistency",
  "bind-propagation": "bind-propagation",
  "bind-recursive": "bind-recursive",
  "tmpfs-size": "tmpfs-size",
  "tmpfs-mode": "tmpfs-mode",
  "volume-nocopy": "volume-nocopy",
};

function parseMountKeys(text: string, flag: string): Map<string, string> {
  const keys = new Map<string, string>();
  for (const field of splitCsv(text)) {
    const [, name = "", value] = /^([^=]*)(?:=([\s\S]*))?$/.exec(field) ?? [];
    const lower = name.toLowerCase();
    const key = Object.hasOwn(MOUNT_KEYS, lower) ? MOUNT_KEYS[lower] : undefined;
    if (key === undefined) {
      const meant = nearest(lower, Object.keys(MOUNT_KEYS));
      throw new UsageError(`Cannot use ${flag}: there is no key "${name}"`, {
        hint: meant === undefined ? "see 'hb help run'" : `did you mean ${meant}?`,
      });
    }
    if (value === "" || (value === undefined && !["readonly", "volume-nocopy"].includes(key))) {
      throw new UsageError(`Cannot use ${flag}: "${name}" has no value`);
    }
    keys.set(key, value ?? "true");
  }
  return keys;
}

/** RFC 4180 as far as one record goes: a field in double quotes may contain commas. */
function splitCsv(text: string): string[] {
  const fields = text.trim().match(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g) ?? [];
  const split = fields.map((field) => field.replace(/,$/, ""));
  // The pattern also matches the nothing after a last field without a comma.
  if (!text.trim().endsWith(",")) split.pop();
  return split.map((field) =>
    field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field,
  );
}

function refuseForeignKeys(keys: Map<string, string>, type: string, flag: string): void {
  for (const key of keys.keys()) {
    const owner = /^(bind|tmpfs|volume)-/.exec(key)?.[1];
    if (owner === undefined || owner === type) continue;
    throw new UsageError(`Cannot use ${flag}: ${key} is for type=${owner}`);
  }
}

function parseKeyBoolean(value: string | undefined, flag: string): boolean {
  if (value === undefined || value === "false" || value === "0") return false;
  if (value === "true" || value === "1") return true;
  throw new UsageError(`Cannot use ${flag}: "${value}" is neither true nor false`);
}
