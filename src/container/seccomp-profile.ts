/**
 * A seccomp profile in docker's JSON format -> `SeccompProfile`, checked. Pure.
 *
 * Unknown keys are ignored as docker does (`comment` is one), `null` is as good as absent, and the
 * older spelling `name` stands for one of `names`. What the helper could not honour is refused
 * here, where the message can say at which rule.
 */

import { HbError } from "../errors.ts";
import type { SyscallArg } from "./plan.ts";
import type {
  ArchitectureLine,
  ConditionalRule,
  RuleCondition,
  SeccompProfile,
} from "./seccomp.ts";

const actions = [
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_LOG",
  "SCMP_ACT_TRACE",
];

const operators = ["EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"].map((op) => `SCMP_CMP_${op}`);

/** linux/errno.h, MAX_ERRNO: the kernel lowers anything above. */
const errnoMax = 4095;

/** Reads the text of a profile; `HbError` names the first place that is wrong. */
export function parseSeccompProfile(text: string): SeccompProfile {
  const profile = asObject(parseJson(text), "the profile");
  const { defaultAction, defaultErrnoRet, architectures, archMap, syscalls } = profile;
  if (defaultAction === undefined) {
    // docker takes a profile without it for none at all, which nobody means by giving a file.
    throw refuse("defaultAction", "it is missing", "use seccomp=unconfined to have no filter");
  }
  const listed = asList(architectures, "architectures").map((name, i) =>
    asArchitecture(name, `architectures[${i}]`),
  );
  const lines = asList(archMap, "archMap").map(parseLine);
  if (listed.length > 0 && lines.length > 0) {
    throw refuse("archMap", "there is 'architectures' too", "keep one of the two");
  }
  return {
    defaultAction: asAction(defaultAction, "defaultAction"),
    ...asErrno("defaultErrnoRet", defaultErrnoRet, "defaultErrnoRet"),
    ...(listed.length > 0 ? { architectures: listed } : { archMap: lines }),
    syscalls: asList(syscalls, "syscalls").map(parseRule),
  };
}

function parseLine(value: unknown, index: number): ArchitectureLine {
  const where = `archMap[${index}]`;
  const { architecture, subArchitectures } = asObject(value, where);
  return {
    architecture: asArchitecture(architecture, `${where}.architecture`),
    subArchitectures: asList(subArchitectures, `${where}.subArchitectures`).map((name, i) =>
      asArchitecture(name, `${where}.subArchitectures[${i}]`),
    ),
  };
}

function parseRule(value: unknown, index: number): ConditionalRule {
  const where = `syscalls[${index}]`;
  const { name, names, action, errnoRet, args, includes, excludes } = asObject(value, where);
  const listed = asNames(names, `${where}.names`);
  const single = isAbsent(name) || name === "" ? [] : [asText(name, `${where}.name`)];
  if (single.length > 0 && listed.length > 0) {
    throw refuse(where, "it has both 'name' and 'names'", "keep one of the two");
  }
  const all = [...listed, ...single];
  if (all.length === 0) throw refuse(where, "it names no system call");
  const conditions = asList(args, `${where}.args`).map((arg, i) =>
    parseArg(arg, `${where}.args[${i}]`),
  );
  return {
    names: all,
    action: asAction(action, `${where}.action`),
    ...asErrno("errnoRet", errnoRet, `${where}.errnoRet`),
    ...(conditions.length === 0 ? {} : { args: conditions }),
    ...parseCondition("includes", includes, where),
    ...parseCondition("excludes", excludes, where),
  };
}

function parseArg(value: unknown, where: string): SyscallArg {
  const { index, value: operand, valueTwo, op } = asObject(value, where);
  const second = isAbsent(valueTwo) ? {} : { valueTwo: asWhole(valueTwo, `${where}.valueTwo`) };
  return {
    index: asWhole(index ?? 0, `${where}.index`, 5),
    value: asWhole(operand ?? 0, `${where}.value`),
    ...second,
    op: asOneOf(op, operators, `${where}.op`),
  };
}

function parseCondition<Key extends "includes" | "excludes">(
  key: Key,
  value: unknown,
  rule: string,
): { readonly [K in Key]?: RuleCondition } {
  if (isAbsent(value)) return {};
  const where = `${rule}.${key}`;
  const { caps, arches, minKernel } = asObject(value, where);
  const condition: RuleCondition = {
    caps: asNames(caps, `${where}.caps`),
    arches: asNames(arches, `${where}.arches`),
    ...(isAbsent(minKernel) || minKernel === ""
      ? {}
      : { minKernel: asVersion(minKernel, `${where}.minKernel`) }),
  };
  return { [key]: condition } as { readonly [K in Key]?: RuleCondition };
}

// -- single values; each names the place and what it expected --

type JsonObject = Readonly<Record<string, unknown>>;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HbError("Cannot use the seccomp profile: it is not JSON", { cause: error });
  }
}

function asObject(value: unknown, where: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw expected("an object", value, where);
  }
  return value as JsonObject;
}

function asList(value: unknown, where: string): readonly unknown[] {
  if (isAbsent(value)) return [];
  if (!Array.isArray(value)) throw expected("a list", value, where);
  return value;
}

function asNames(value: unknown, where: string): readonly string[] {
  return asList(value, where).map((name, i) => asText(name, `${where}[${i}]`));
}

function asText(value: unknown, where: string): string {
  if (typeof value !== "string" || value === "") throw expected("a name", value, where);
  return value;
}

function asArchitecture(value: unknown, where: string): string {
  const name = asText(value, where);
  if (!name.startsWith("SCMP_ARCH_")) throw expected("SCMP_ARCH_…", value, where);
  return name;
}

function asAction(value: unknown, where: string): string {
  if (value === "SCMP_ACT_NOTIFY") {
    throw refuse(where, "SCMP_ACT_NOTIFY needs a listener, which hb has not", "use SCMP_ACT_ERRNO");
  }
  return asOneOf(value, actions, where);
}

function asOneOf(value: unknown, known: readonly string[], where: string): string {
  if (typeof value === "string" && known.includes(value)) return value;
  throw expected(known.join(", "), value, where);
}

function asErrno<Key extends string>(
  key: Key,
  value: unknown,
  where: string,
): { readonly [K in Key]?: number } {
  if (isAbsent(value)) return {};
  return { [key]: asWhole(value, where, errnoMax) } as { readonly [K in Key]?: number };
}

/** JSON numbers above 2^53 would arrive changed, so they are refused instead. */
function asWhole(value: unknown, where: string, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) {
    return value;
  }
  throw expected(`a whole number up to ${max}`, value, where);
}

function asVersion(value: unknown, where: string): string {
  if (typeof value === "string" && /^\d{1,3}\.\d{1,3}$/.test(value)) return value;
  throw expected('a kernel version as "4.8"', value, where);
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

function expected(what: string, value: unknown, where: string): HbError {
  const got = value === undefined ? "nothing" : JSON.stringify(value).slice(0, 60);
  return refuse(where, `expected ${what}, got ${got}`);
}

function refuse(where: string, why: string, hint?: string): HbError {
  return new HbError(
    `Cannot use the seccomp profile: ${where}: ${why}`,
    hint === undefined ? {} : { hint },
  );
}
