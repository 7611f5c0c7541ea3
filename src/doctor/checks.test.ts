/** What doctor says of machines that lack something. */

import { describe, expect, test } from "bun:test";
import { canRun, type DoctorFacts, diagnose } from "./checks.ts";

const good: DoctorFacts = {
  uid: 1000,
  executable: "/home/u/bin/hb",
  kernel: "6.8.0-45-generic",
  identity: {
    uidMappings: [
      { containerID: 0, hostID: 1000, size: 1 },
      { containerID: 1, hostID: 100000, size: 65536 },
    ],
    gidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
    idTools: { newuidmap: "/usr/bin/newuidmap", newgidmap: "/usr/bin/newgidmap" },
  },
  probe: { exitCode: 0, lines: [] },
  helper: { kind: "memory" },
  sysctl: { maxUserNamespaces: 60000 },
  isFiltered: false,
  hasSeccomp: true,
  store: { root: "/home/u/hb", fileSystem: "ext4", freeBytes: 5e10, isWritable: true },
  pasta: { path: "/usr/bin/pasta", version: "version 0.0~git20230309" },
  hasTun: true,
  canBridge: false,
  hasNfTables: true,
  forwards: false,
  portStart: 0,
  cgroup: { mode: "unified", delegated: ["cpu", "memory", "pids"] },
  emulated: ["aarch64"],
  install: "sudo apt-get install -y",
  hasSystemd: true,
};

const failed = { exitCode: 125, lines: ["make a user namespace: operation not permitted"] };

function checkOf(name: string, facts: Partial<DoctorFacts>) {
  const check = diagnose({ ...good, ...facts }).find((each) => each.name === name);
  if (check === undefined) throw new Error(`no check ${name}`);
  return check;
}

describe("diagnose()", () => {
  test("finds nothing to improve where everything is there", () => {
    const checks = diagnose(good);
    expect(checks.filter(({ state, fix }) => state !== "ok" || fix !== undefined)).toEqual([]);
    expect(canRun(checks)).toBe(true);
  });

  const obstacles: [string, Partial<DoctorFacts>, RegExp, RegExp][] = [
    [
      "no user namespaces at all",
      { sysctl: { maxUserNamespaces: 0 } },
      /max_user_namespaces is 0/,
      /sysctl user\.max_user_namespaces=/,
    ],
    [
      "Debian's old switch",
      { sysctl: { unprivilegedUsernsClone: 0 } },
      /unprivileged_userns_clone is 0/,
      /sysctl kernel\.unprivileged_userns_clone=1/,
    ],
    [
      "Ubuntu's AppArmor restriction, with a profile for hb's own path",
      { sysctl: { apparmorRestrictUserns: 1 } },
      /AppArmor/,
      /profile hb "\/home\/u\/bin\/hb".*userns,.*apparmor_parser/s,
    ],
    [
      "the profile that confines hb",
      { apparmorProfile: "like_ubuntu" },
      /AppArmor.*like_ubuntu/,
      /sudo hb run/,
    ],
    ["an outer container's filter", { isFiltered: true }, /seccomp filter/, /seccomp=unconfined/],
  ];
  for (const [what, facts, found, fix] of obstacles) {
    test(`names ${what}`, () => {
      const check = checkOf("user namespace", { probe: failed, ...facts });
      expect(check.state).toBe("missing");
      expect(check.found).toMatch(found);
      expect(check.fix ?? "").toMatch(fix);
    });
  }

  test("says why the trial container failed, and that nothing can run", () => {
    const checks = diagnose({ ...good, probe: failed });
    expect(checks[0]).toMatchObject({ state: "missing", found: failed.lines[0] });
    expect(canRun(checks)).toBe(false);
  });

  test("says where the helper runs from when it may not run from memory", () => {
    const refused = { why: "vm.memfd_noexec is 2", fix: "sudo sysctl vm.memfd_noexec=1" };
    const path = "/home/u/hb/helper/0/hb-init";
    expect(checkOf("helper", { helper: { kind: "disk", path, ...refused } })).toMatchObject({
      state: "less",
      found: expect.stringContaining(path),
      fix: refused.fix,
    });
    const nowhere = checkOf("helper", { helper: { kind: "nowhere", ...refused } });
    expect(nowhere).toMatchObject({ state: "missing", found: refused.why, fix: refused.fix });
  });

  test("gives the command that maps a whole range", () => {
    const notice = "only one user id is mapped; to map a whole range run: sudo sh -c 'usermod'";
    const identity = { ...good.identity, notice };
    expect(checkOf("ids", { identity })).toMatchObject({
      state: "less",
      found: "only one user id is mapped",
      fix: "sudo sh -c 'usermod'",
    });
  });

  test("tells of a copied root file system", () => {
    const probe = { exitCode: 0, lines: ["notice: overlay is refused here, layers are copied"] };
    expect(checkOf("root file system", { probe }).state).toBe("less");
  });

  test("a store on NFS works, and slowly", () => {
    const store = { ...good.store, fileSystem: "nfs" };
    expect(checkOf("store", { store })).toMatchObject({ state: "less" });
  });

  test("version 1 is as good as any for root, and of no use to others", () => {
    const cgroup = { mode: "legacy", delegated: ["memory"] } as const;
    expect(checkOf("limits", { cgroup, uid: 0 })).toMatchObject({ state: "ok" });
    expect(checkOf("limits", { cgroup }).found).toMatch(/cannot be delegated/);
  });

  test("controllers that are not delegated come with systemd's drop-in", () => {
    const cgroup = { mode: "unified", delegated: ["pids"] } as const;
    const check = checkOf("limits", { cgroup });
    expect(check.found).toMatch(/cpu, memory not delegated/);
    expect(check.fix ?? "").toMatch(/Delegate=/);
    expect(checkOf("limits", { cgroup, hasSystemd: false }).fix).toBeUndefined();
  });
});
