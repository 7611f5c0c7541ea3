/**
 * `linux.seccomp` of a plan: a profile whose rules depend on capabilities, architecture and kernel
 * -> the rules of this container. Pure.
 *
 * Profiles are docker's (`--security-opt seccomp=FILE`): the runtime-spec's words plus `archMap`
 * and, per rule, `includes` and `excludes`.
 */

import type { Seccomp, SyscallRule } from "./plan.ts";
import { defaultProfile } from "./seccomp-default.ts";
import { parseSeccompProfile } from "./seccomp-profile.ts";

export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  /** Either this, taken as it is, or `archMap`, of which this machine's line is taken. */
  readonly architectures?: readonly string[];
  readonly archMap?: readonly ArchitectureLine[];
  readonly syscalls: readonly ConditionalRule[];
}

export interface ArchitectureLine {
  readonly architecture: string;
  readonly subArchitectures: readonly string[];
}

/** A rule that holds if all of `includes` and none of `excludes` is so. */
export interface ConditionalRule extends SyscallRule {
  readonly includes?: RuleCondition;
  readonly excludes?: RuleCondition;
}

export interface RuleCondition {
  /** All of them (`includes`), any of them (`excludes`), in the bounding set. */
  readonly caps?: readonly string[];
  /** As images spell them: `amd64`. */
  readonly arches?: readonly string[];
  /** `4.8`. */
  readonly minKernel?: string;
}

/** What rules can depend on. */
export interface SeccompFacts {
  readonly capabilities: readonly string[];
  readonly architecture: string;
  /** uname's release, or its first two numbers. */
  readonly kernel: string;
}

/** What a run asks for: the default profile, or one given as text. */
export interface SeccompQuestion extends SeccompFacts {
  readonly profile?: string;
}

/** libseccomp's name of the architecture that images call so. */
const libseccompNames: Readonly<Record<string, string>> = {
  amd64: "SCMP_ARCH_X86_64",
  arm64: "SCMP_ARCH_AARCH64",
};

/** The filter of a container with these capabilities on this machine. */
export function seccompFor(question: SeccompQuestion): Seccomp {
  const { profile } = question;
  const chosen = profile === undefined ? defaultProfile() : parseSeccompProfile(profile);
  return resolveSeccomp(chosen, question);
}

/** `profile` without its conditions. */
export function resolveSeccomp(profile: SeccompProfile, facts: SeccompFacts): Seccomp {
  const syscalls: SyscallRule[] = [];
  for (const { includes, excludes, ...rule } of profile.syscalls) {
    if (includes !== undefined && !isIncluded(includes, facts)) continue;
    if (excludes !== undefined && isExcluded(excludes, facts)) continue;
    syscalls.push(rule);
  }
  const { defaultAction, defaultErrnoRet } = profile;
  return {
    defaultAction,
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    architectures: architecturesOf(profile, facts),
    syscalls,
  };
}

/** Docker's: a list for every machine, or the line of this one; then libseccomp adds the native. */
function architecturesOf(profile: SeccompProfile, facts: SeccompFacts): readonly string[] {
  const { architectures, archMap } = profile;
  if (architectures !== undefined) return architectures;
  const native = libseccompNames[facts.architecture];
  const line = archMap?.find(({ architecture }) => architecture === native);
  return line === undefined ? [] : [line.architecture, ...line.subArchitectures];
}

function isIncluded(condition: RuleCondition, facts: SeccompFacts): boolean {
  const { caps = [], arches = [], minKernel } = condition;
  if (arches.length > 0 && !arches.includes(facts.architecture)) return false;
  if (caps.some((name) => !facts.capabilities.includes(name))) return false;
  return minKernel === undefined || isAtLeast(facts.kernel, minKernel);
}

function isExcluded(condition: RuleCondition, facts: SeccompFacts): boolean {
  const { caps = [], arches = [], minKernel } = condition;
  if (arches.includes(facts.architecture)) return true;
  if (caps.some((name) => facts.capabilities.includes(name))) return true;
  return minKernel !== undefined && isAtLeast(facts.kernel, minKernel);
}

/** Compares the first two numbers, which is all a profile can ask for. */
function isAtLeast(kernel: string, wanted: string): boolean {
  const [major, minor] = versionOf(kernel);
  const [wantedMajor, wantedMinor] = versionOf(wanted);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function versionOf(text: string): readonly [number, number] {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return [Number(major), Number(minor)];
}
