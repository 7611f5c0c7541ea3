/** Flags that limit what a container may use. On machines with systemd, tests/vm has the rest. */

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { Box, busybox, isRoot, rootTest } from "./harness.ts";

const box = new Box();
const cgroups = "/sys/fs/cgroup";
const CGROUP2_SUPER_MAGIC = 0x63677270;
const isUnified = existsSync(cgroups) && statfsSync(cgroups).type === CGROUP2_SUPER_MAGIC;

/** The container's directories in every hierarchy. */
async function directoriesOf(cidfile: string): Promise<string[]> {
  const id = readFileSync(box.path(cidfile), "utf8");
  const { stdout } = await box.command(["find", cgroups, "-type", "d", "-name", `${id}*`]);
  return stdout.split("\n").filter(Boolean);
}

/** A setting of version 1 or of version 2, whichever this machine has. */
async function settingOf(cidfile: string, legacy: string, unified: string): Promise<string> {
  const name = isUnified ? unified : legacy;
  const files = (await directoriesOf(cidfile)).map((directory) => `${directory}/${name}`);
  const file = files.find((path) => existsSync(path)) ?? `no ${name}`;
  return existsSync(file) ? readFileSync(file, "utf8").trim() : file;
}

describe("as root", () => {
  rootTest("a process that outgrows the memory limit is killed, and hb says why", async () => {
    const hog = ["sh", "-c", "exec tail /dev/zero"];
    const run = await box.hb(["run", "-q", "-m", "48m", "--cidfile", "hog", busybox, ...hog]);
    expect(run).toMatchObject({ status: 137, stdout: "" });
    expect(run.stderr).toContain("killed by SIGKILL: memory limit 48 MiB reached");
    expect(await directoriesOf("hog")).toEqual([]);
  });

  rootTest("a fork bomb ends at the number of processes", async () => {
    const bomb = ["sh", "-c", "for i in $(seq 40); do sleep 30 & done; echo never"];
    const run = await box.hb(["run", "-q", "--pids-limit", "12", busybox, ...bomb]);
    expect(run).toMatchObject({ status: 2, stdout: "" });
    expect(run.stderr).toContain("can't fork");
  });

  rootTest("the settings are in force before the payload runs, and gone after it", async () => {
    const flags = [
      ...["--cpus", "0.5", "--pids-limit", "33", "--cpuset-cpus", "0", "--cpu-shares", "512"],
      ...["-m", "64m", "--memory-reservation", "32m", "--cidfile", "settings"],
    ];
    const running = box.start(["run", "-qi", ...flags, busybox, "sh", "-c", "echo up; read x"]);
    await running.until("up");
    const quota = await settingOf("settings", "cpu.cfs_quota_us", "cpu.max");
    expect(quota).toBe(isUnified ? "50000 100000" : "50000");
    expect(await settingOf("settings", "pids.max", "pids.max")).toBe("33");
    expect(await settingOf("settings", "cpuset.cpus", "cpuset.cpus")).toBe("0");
    expect(await settingOf("settings", "cpu.shares", "cpu.weight")).toBe(isUnified ? "59" : "512");
    const memory = await settingOf("settings", "memory.limit_in_bytes", "memory.max");
    expect(memory).toBe(String(64 << 20));
    running.kill("SIGKILL"); // the guard removes them
    await running.end();
    while ((await directoriesOf("settings")).length > 0) {
      // Each look takes a process's time; the test's own timeout ends this.
    }
  });

  rootTest("a container sees its cgroup as the top", async () => {
    const lines = await box.output("-m", "64m", busybox, "cat", "/proc/self/cgroup");
    expect(lines.split("\n").every((line) => /:(name=\w+)?[^:]*:\/$/.test(line))).toBe(true);
    expect(lines).not.toContain("hb");
  });

  rootTest("a supervisor that fails its start leaves no cgroup", async () => {
    const flags = ["-m", "64m", "--cidfile", "failed", "-w", "/etc/passwd"];
    await box.failure(125, ["run", "-q", ...flags, busybox, "true"]);
    expect(await directoriesOf("failed")).toEqual([]);
  });
});

describe("containers that run, as root", () => {
  const start = (name: string, ...flags: string[]) =>
    box.output("-d", "--name", name, "--network", "none", ...flags, busybox, ...counting);
  const counting = ["sh", "-c", "while :; do read line; echo; done < /dev/zero"];
  const hb = async (...args: string[]) => {
    const { status, stdout, stderr } = await box.hb(args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout.trimEnd();
  };
  const field = (name: string, template: string) => hb("inspect", "-f", template, name);

  rootTest("are paused and go on, and are paused only once", async () => {
    await start("frozen");
    expect(await hb("pause", "frozen")).toBe("frozen");
    expect(await field("frozen", "{{.State.Status}} {{.State.Paused}}")).toBe("paused true");
    expect(await box.failure(1, ["pause", "frozen"])).toMatch(/frozen: it is paused already/);
    expect(await hb("unpause", "frozen")).toBe("frozen");
    expect(await field("frozen", "{{.State.Status}}")).toBe("running");
    expect(await box.failure(1, ["unpause", "frozen"])).toMatch(/frozen: it is not paused/);
    // What is frozen cannot end by itself, and ends all the same.
    await hb("pause", "frozen");
    expect(await hb("stop", "-t", "0", "frozen")).toBe("frozen");
    expect(await box.failure(1, ["pause", "frozen"])).toMatch(/is not running/);
    await hb("rm", "frozen");
  });

  rootTest("are paused with their supervisor killed, and nothing is left", async () => {
    const id = await start("orphan", "--pids-limit", "20");
    await hb("pause", "orphan");
    process.kill(Number(await field("orphan", "{{.State.Pid}}").then(parentOf)), "SIGKILL");
    expect(await hb("wait", "orphan")).toBe("137");
    await hb("rm", "orphan");
    const { stdout } = await box.command(["find", cgroups, "-name", `${id}*`]);
    expect(stdout).toBe("");
  });

  rootTest("are given other limits at once, which the next start has as well", async () => {
    const id = await start("grown", "-m", "64m");
    writeFileSync(box.path("grown"), id);
    const limit = () => settingOf("grown", "memory.limit_in_bytes", "memory.max");
    for (const [size, bytes] of [
      ["200m", 200 << 20],
      ["48m", 48 << 20],
    ] as const) {
      expect(await hb("update", "-m", size, "grown")).toBe("grown");
      expect(await limit()).toBe(String(bytes));
    }
    await hb("restart", "-t", "0", "grown");
    expect(await limit()).toBe(String(48 << 20));
    expect(await box.failure(1, ["update", "-m", "1m", "grown"])).toMatch(/the minimum is 6m/);
    expect(await box.failure(125, ["update", "grown"])).toMatch(/nothing is to be different/);
    await hb("rm", "-f", "grown");
  });

  rootTest("tell what they use, from a cgroup and without", async () => {
    await start("counted", "-m", "64m");
    await start("summed");
    const lines = await hb("stats", "--no-stream", "--format", "json");
    const rows = lines.split("\n").map((line) => JSON.parse(line) as Record<string, string>);
    const byName = new Map(rows.map((row) => [row.Name, row]));
    expect(byName.get("counted")?.MemUsage).toMatch(/^[\d.]+[KM]iB \/ 64MiB$/);
    expect(byName.get("summed")?.MemUsage).toMatch(/^[\d.]+[KM]iB \/ [\d.]+[GT]iB$/);
    for (const row of rows) {
      expect(row.CPUPerc).toMatch(/^[1-9]\d*\.\d\d%$/);
      expect(row).toMatchObject({ PIDs: "1", NetIO: "0B / 0B" });
    }
    await hb("rm", "-f", "counted", "summed");
    expect(await hb("stats", "--no-stream")).toMatch(/^CONTAINER ID +NAME +CPU % +MEM USAGE/);
  });
});

function parentOf(pid: string): string {
  return /^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "";
}

describe("--oom-score-adj", () => {
  test("is the payload's", async () => {
    const score = await box.output("--oom-score-adj", "731", busybox, "cat", ownScore);
    expect(score).toBe("731");
  });

  test("below hb's own is an error for an ordinary user", async () => {
    if (isRoot) return;
    const flags = ["--oom-score-adj", "-1000"];
    const said = await box.failure(125, ["run", "-q", ...flags, busybox, "true"]);
    expect(said).toContain("CAP_SYS_RESOURCE");
  });
});

const ownScore = "/proc/self/oom_score_adj";

describe("what cannot be held", () => {
  test("is an error before anything runs, not silence", async () => {
    const wrong: [string[], string][] = [
      [["-m", "5m"], "the minimum is 6m"],
      [["--cpus", "1000"], "this machine has"],
      [["--cpuset-cpus", "900"], "this machine has the CPUs"],
      [["--memory-swap", "64m"], "it needs --memory"],
      [["--device-read-bps", "/dev/null:1mb"], isRoot ? "no block device" : "only root may"],
    ];
    for (const [flags, message] of wrong) {
      expect(await box.failure(125, ["run", "-q", ...flags, busybox, "true"])).toContain(message);
    }
  });

  test("is an error that says how to get it, for an ordinary user on cgroup v1", async () => {
    if (isRoot || isUnified) return;
    const said = await box.failure(125, ["run", "-q", "-m", "64m", busybox, "true"]);
    expect(said).toMatch(/cgroup v1 cannot be delegated.*; run hb as root/);
  });
});

box.leavesNothingBehind();
