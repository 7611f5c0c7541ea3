import { describe, expect, test } from "bun:test";
import { formatError } from "../errors.ts";
import { allCapabilities, defaultCapabilities } from "./defaults.ts";
import type { Seccomp, SyscallRule } from "./plan.ts";
import { resolveSeccomp, type SeccompFacts, seccompFor } from "./seccomp.ts";
import { parseSeccompProfile } from "./seccomp-profile.ts";

const facts: SeccompFacts = {
  capabilities: defaultCapabilities,
  architecture: "amd64",
  kernel: "6.18.4-generic",
};

function rulesFor(seccomp: Seccomp, name: string): readonly SyscallRule[] {
  return seccomp.syscalls.filter((rule) => rule.names.includes(name));
}

function isAllowed(seccomp: Seccomp, name: string): boolean {
  return rulesFor(seccomp, name).some(
    (rule) => rule.action === "SCMP_ACT_ALLOW" && rule.args === undefined,
  );
}

describe("the default profile", () => {
  test("refuses with EPERM what it does not name", () => {
    const seccomp = seccompFor(facts);
    expect(seccomp.defaultAction).toBe("SCMP_ACT_ERRNO");
    expect(seccomp.defaultErrnoRet).toBe(1);
    for (const name of ["mount", "unshare", "setns", "bpf", "keyctl", "io_uring_setup", "reboot"]) {
      expect(rulesFor(seccomp, name)).toEqual([]);
    }
  });

  test("names each call once for everyone", () => {
    const [everyone] = seccompFor(facts).syscalls;
    expect(everyone?.names).toHaveLength(new Set(everyone?.names).size);
    expect(everyone?.names.every((name) => /^[a-z0-9_]+$/.test(name))).toBe(true);
  });

  test("lets every ABI of the machine in", () => {
    expect(seccompFor(facts).architectures).toEqual([
      "SCMP_ARCH_X86_64",
      "SCMP_ARCH_X86",
      "SCMP_ARCH_X32",
    ]);
    expect(seccompFor({ ...facts, architecture: "arm64" }).architectures).toEqual([
      "SCMP_ARCH_AARCH64",
      "SCMP_ARCH_ARM",
    ]);
  });

  test("allows clone without new namespaces and answers clone3 with ENOSYS", () => {
    const seccomp = seccompFor(facts);
    expect(rulesFor(seccomp, "clone")).toEqual([
      {
        names: ["clone"],
        action: "SCMP_ACT_ALLOW",
        args: [{ index: 0, value: 0x7e020000, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
      },
    ]);
    expect(rulesFor(seccomp, "clone3")).toEqual([
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
    ]);
  });

  test("opens clone, mount and the rest to CAP_SYS_ADMIN", () => {
    const seccomp = seccompFor({ ...facts, capabilities: ["CAP_SYS_ADMIN"] });
    for (const name of ["clone", "clone3", "mount", "setns", "bpf"]) {
      expect(isAllowed(seccomp, name)).toBe(true);
    }
    expect(rulesFor(seccomp, "clone3")).toHaveLength(1);
    expect(isAllowed(seccomp, "chroot")).toBe(false);
  });

  test("follows each capability alone", () => {
    const opened: Record<string, string> = {
      CAP_SYS_CHROOT: "chroot",
      CAP_SYS_TIME: "clock_settime",
      CAP_SYS_MODULE: "finit_module",
      CAP_SYSLOG: "syslog",
    };
    const none = seccompFor({ ...facts, capabilities: [] });
    for (const [capability, name] of Object.entries(opened)) {
      expect(isAllowed(none, name)).toBe(false);
      expect(isAllowed(seccompFor({ ...facts, capabilities: [capability] }), name)).toBe(true);
    }
  });

  test("allows ptrace since Linux 4.8, and before only to CAP_SYS_PTRACE", () => {
    expect(isAllowed(seccompFor({ ...facts, kernel: "4.8" }), "ptrace")).toBe(true);
    expect(isAllowed(seccompFor({ ...facts, kernel: "4.7.10" }), "ptrace")).toBe(false);
    const old = { ...facts, kernel: "3.10.0", capabilities: allCapabilities };
    expect(isAllowed(seccompFor(old), "ptrace")).toBe(true);
  });

  test("refuses AF_ALG and AF_VSOCK and no other family", () => {
    const rules = rulesFor(seccompFor(facts), "socket");
    const allowed = (family: number) =>
      rules.some(({ args = [] }) =>
        args.every(({ op, value }) =>
          op === "SCMP_CMP_LT"
            ? family < value
            : op === "SCMP_CMP_GT"
              ? family > value
              : family === value,
        ),
      );
    const refused = Array.from({ length: 64 }, (_, i) => i).filter((family) => !allowed(family));
    expect(refused).toEqual([38, 40]);
  });

  test("keeps machine-specific calls to their machine", () => {
    expect(isAllowed(seccompFor(facts), "arch_prctl")).toBe(true);
    expect(isAllowed(seccompFor(facts), "set_tls")).toBe(false);
    const arm = seccompFor({ ...facts, architecture: "arm64" });
    expect(isAllowed(arm, "arch_prctl")).toBe(false);
    expect(isAllowed(arm, "set_tls")).toBe(true);
  });
});

describe("a profile from a file", () => {
  const text = JSON.stringify({
    defaultAction: "SCMP_ACT_ALLOW",
    archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: null }],
    syscalls: [
      { name: "chmod", action: "SCMP_ACT_ERRNO", comment: "older spelling", args: null },
      {
        names: ["ioctl"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: 25,
        args: [{ index: 1, value: 0x5412, op: "SCMP_CMP_EQ" }],
        includes: { minKernel: "5.0" },
        excludes: { caps: ["CAP_SYS_ADMIN"] },
      },
    ],
  });

  test("resolves to runtime-spec rules", () => {
    expect(seccompFor({ ...facts, profile: text })).toEqual({
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: ["SCMP_ARCH_X86_64"],
      syscalls: [
        { names: ["chmod"], action: "SCMP_ACT_ERRNO" },
        {
          names: ["ioctl"],
          action: "SCMP_ACT_ERRNO",
          errnoRet: 25,
          args: [{ index: 1, value: 0x5412, op: "SCMP_CMP_EQ" }],
        },
      ],
    });
  });

  test("drops a rule one of whose conditions fails", () => {
    const profile = parseSeccompProfile(text);
    const admin = { ...facts, capabilities: ["CAP_SYS_ADMIN"] };
    expect(rulesFor(resolveSeccomp(profile, admin), "ioctl")).toEqual([]);
    expect(rulesFor(resolveSeccomp(profile, { ...facts, kernel: "4.19" }), "ioctl")).toEqual([]);
  });

  test("takes 'architectures' as it is", () => {
    const architectures = ["SCMP_ARCH_AARCH64", "SCMP_ARCH_X86"];
    const profile = JSON.stringify({ defaultAction: "SCMP_ACT_KILL", architectures });
    expect(seccompFor({ ...facts, profile }).architectures).toEqual(architectures);
  });

  const rule = (more: object) =>
    JSON.stringify({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["read"], action: "SCMP_ACT_KILL", ...more }],
    });

  test.each([
    ["{", "it is not JSON"],
    ["[]", "the profile: expected an object, got []"],
    ["{}", "defaultAction: it is missing; use seccomp=unconfined"],
    ['{"defaultAction":"DENY"}', "defaultAction: expected SCMP_ACT_ALLOW, "],
    ['{"defaultAction":"SCMP_ACT_NOTIFY"}', "defaultAction: SCMP_ACT_NOTIFY needs a listener"],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":{}}', "syscalls: expected a list, got {}"],
    [rule({ name: "write" }), "syscalls[0]: it has both 'name' and 'names'"],
    [rule({ names: [] }), "syscalls[0]: it names no system call"],
    [rule({ names: [1] }), "syscalls[0].names[0]: expected a name, got 1"],
    [rule({ action: null }), "syscalls[0].action: expected SCMP_ACT_ALLOW"],
    [rule({ errnoRet: 70000 }), "syscalls[0].errnoRet: expected a whole number up to 4095"],
    [rule({ args: [{ index: 6 }] }), "syscalls[0].args[0].index: expected a whole number up to 5"],
    [rule({ args: [{ index: 0, op: "=" }] }), "syscalls[0].args[0].op: expected SCMP_CMP_EQ"],
    [rule({ args: [{ value: 2 ** 60, op: "SCMP_CMP_EQ" }] }), "args[0].value: expected a whole"],
    [rule({ includes: { minKernel: "5" } }), "syscalls[0].includes.minKernel: expected a kernel"],
  ])("%s is refused in one line", (profile, expected) => {
    let message = "";
    try {
      parseSeccompProfile(profile);
    } catch (error) {
      message = formatError(error);
    }
    expect(message).toStartWith("Cannot use the seccomp profile: ");
    expect(message).toContain(expected);
    expect(message).not.toContain("\n");
  });

  test("'architectures' beside 'archMap' is refused", () => {
    const both = JSON.stringify({
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: ["SCMP_ARCH_X86"],
      archMap: [{ architecture: "SCMP_ARCH_X86" }],
    });
    expect(() => parseSeccompProfile(both)).toThrow("there is 'architectures' too");
  });
});
