import { describe, expect, test } from "bun:test";
import type { ExecOptions } from "../options/containers.ts";
import { execPlan } from "./exec-plan.ts";
import { briefLife } from "./life.ts";
import type { Plan } from "./plan.ts";

const seccomp = { defaultAction: "SCMP_ACT_ERRNO", architectures: [], syscalls: [] };

const plan: Plan = {
  ociVersion: "1.2.0",
  process: {
    terminal: false,
    user: { uid: 7, gid: 8, additionalGids: [9] },
    args: ["/server"],
    env: ["PATH=/opt/bin", "HOSTNAME=web", "MODE=test"],
    cwd: "/srv",
    capabilities: {
      bounding: ["CAP_CHOWN"],
      effective: ["CAP_CHOWN"],
      inheritable: [],
      permitted: ["CAP_CHOWN"],
      ambient: [],
    },
    rlimits: [{ type: "RLIMIT_CORE", soft: 0, hard: 0 }],
    noNewPrivileges: true,
    oomScoreAdj: 100,
  },
  root: { path: "/r", readonly: false },
  hostname: "web",
  annotations: {},
  mounts: [],
  linux: {
    uidMappings: [],
    gidMappings: [],
    namespaces: [],
    sysctl: {},
    maskedPaths: [],
    readonlyPaths: [],
    seccomp,
  },
  hb: {
    container: { id: "c0", directory: "/s/c0", keep: true },
    files: [],
    user: "web",
    groupAdd: ["logs"],
    volumes: [],
    interactive: true,
    init: false,
    cgroup: { version: 2, directories: ["/sys/fs/cgroup/c0"] },
    life: briefLife,
  },
};

const options: ExecOptions = {
  container: "web",
  command: ["ls", "-l"],
  detach: false,
  env: [],
  envFile: [],
  interactive: false,
  privileged: false,
  tty: false,
};

const facts = {
  variable: (name: string) => (name === "LANG" ? "C" : undefined),
  readText: () => "FILE=1\n",
  lastCapability: 1,
  boundingCapabilities: 1n,
};

const decide = (changed: Partial<ExecOptions>) =>
  execPlan(plan, { ...options, ...changed }, { pid: 40, supervisor: 39 }, facts);

describe("execPlan()", () => {
  test("makes the command the equal of the container's own", () => {
    const { process, linux, hb } = decide({});
    expect(process).toEqual({ ...plan.process, args: ["ls", "-l"] });
    expect(linux).toEqual({ seccomp });
    expect(hb).toMatchObject({ user: "web", groupAdd: ["logs"], interactive: false });
    expect(hb.container).toEqual({
      id: "c0",
      directory: "/s/c0",
      pid: 40,
      supervisor: 39,
      cgroups: ["/sys/fs/cgroup/c0"],
    });
  });

  test("adds variables to the container's, and TERM to a terminal's", () => {
    const env = ["MODE=debug", "LANG", "HOSTNAME"];
    expect(decide({ env, envFile: ["f"], tty: true }).process.env).toEqual([
      "PATH=/opt/bin",
      "TERM=xterm",
      "FILE=1",
      "MODE=debug",
      "LANG=C",
    ]);
  });

  test("takes another user and another directory", () => {
    const { process, hb } = decide({ user: "1000:1000", workdir: "/tmp" });
    expect(hb.user).toBe("1000:1000");
    expect(process).toMatchObject({ cwd: "/tmp", user: { uid: 0, gid: 0, additionalGids: [] } });
    expect(() => decide({ workdir: "tmp" })).toThrow(/--workdir/);
  });

  test("--privileged is all hb may give, and no filter", () => {
    const { process, linux } = decide({ privileged: true });
    expect(process.capabilities.bounding).toEqual(["CAP_CHOWN"]);
    expect(process.noNewPrivileges).toBe(false);
    expect(linux).toEqual({});
  });

  test("leaves a detached command no input, and a terminal where it wants one", () => {
    const { process, hb } = decide({ detach: true, tty: true, interactive: true });
    expect(process.terminal).toBe(true);
    expect(hb).toMatchObject({ detach: true, interactive: false });
  });

  test("has keys that leave a terminal, and none elsewhere", () => {
    expect(decide({ tty: true }).hb.detachKeys).toBe("1011");
    expect(decide({}).hb.detachKeys).toBe("");
  });
});
