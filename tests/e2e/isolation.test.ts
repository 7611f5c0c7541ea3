/** What a container sees of the machine, and what it may do: nothing that was not given. */

import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { Box, busybox, hbBinary, isRoot, rootlessTest, rootTest } from "./harness.ts";

const box = new Box();
const sh = (script: string, ...flags: string[]) =>
  box.output(...flags, busybox, "sh", "-c", script);

/** docker's fourteen: CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP
 * NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE. */
const dockerCapabilities = "00000000a80425fb";

describe("namespaces", () => {
  test.each(["mnt", "pid", "uts", "ipc", "cgroup"])(
    "the container has its own %s",
    async (name) => {
      const inside = await sh(`readlink /proc/self/ns/${name}`);
      expect(inside).toMatch(new RegExp(`^${name}:\\[\\d+\\]$`));
      expect(inside).not.toBe(readlinkSync(`/proc/self/ns/${name}`));
    },
  );

  test("--network none has a loopback that is up, and nothing else", async () => {
    const text = await sh(
      "ip -o link | wc -l; ping -c 1 -w 2 127.0.0.1 >/dev/null && echo up",
      "--network",
      "none",
    );
    expect(text).toBe("1\nup");
  });

  test("--network host is the host's, and the default is not", async () => {
    const host = readlinkSync("/proc/self/ns/net");
    expect(await sh("readlink /proc/self/ns/net", "--network", "host")).toBe(host);
    expect(await sh("readlink /proc/self/ns/net")).not.toBe(host);
  });

  test("an unknown network is one line that says what there is", async () => {
    const message = await box.failure(125, ["run", "--network", "a b", busybox, "true"]);
    expect(message).toMatch(/none/);
    expect(message).toMatch(/host/);
  });

  test("the payload is pid 1 and sees no process of the host", async () => {
    const pids = await sh("echo $$; ls /proc | grep -c '^[0-9]'");
    expect(pids.split("\n")[0]).toBe("1");
    expect(Number(pids.split("\n")[1])).toBeLessThan(5);
  });

  rootlessTest(
    "root inside is the caller outside, and the subordinate range is mapped",
    async () => {
      const map = (await sh("cat /proc/self/uid_map")).trim().split("\n");
      expect(map.map((line) => line.trim().split(/\s+/).slice(0, 2))[0]).toEqual([
        "0",
        String(process.getuid?.()),
      ]);
      expect(Number(map[1]?.trim().split(/\s+/)[2])).toBeGreaterThanOrEqual(65_535);
    },
  );

  rootTest("as root there is no user namespace", async () => {
    expect(await sh("readlink /proc/self/ns/user")).toBe(readlinkSync("/proc/self/ns/user"));
  });
});

describe("capabilities and seccomp (H-10)", () => {
  const status = (key: string, ...flags: string[]) =>
    sh(`sed -n 's/^${key}:[[:space:]]*//p' /proc/self/status`, ...flags);

  test("the capabilities are docker's, in every set they should be in", async () => {
    expect(await status("CapBnd")).toBe(dockerCapabilities);
    expect(await status("CapEff")).toBe(dockerCapabilities);
    expect(await status("CapPrm")).toBe(dockerCapabilities);
    expect(await status("CapInh")).toBe("0000000000000000");
    expect(await status("CapAmb")).toBe("0000000000000000");
  });

  test("an ordinary user inside has none", async () => {
    expect(await status("CapEff", "-u", "nobody")).toBe("0000000000000000");
    expect(await status("CapBnd", "-u", "nobody")).toBe(dockerCapabilities);
  });

  test("--cap-drop and --cap-add change the set", async () => {
    expect(await status("CapEff", "--cap-drop", "ALL")).toBe("0000000000000000");
    const one = await status("CapEff", "--cap-drop", "ALL", "--cap-add", "CHOWN");
    expect(one).toBe("0000000000000001");
    expect(await status("CapEff", "--cap-add", "CAP_SYS_PTRACE")).toBe("00000000a80c25fb");
    const message = await box.failure(125, ["run", "--cap-add", "NOPE", busybox, "true"]);
    expect(message).toContain("NOPE");
  });

  test("a seccomp filter is on; unconfined and --privileged take it away", async () => {
    expect(await status("Seccomp")).toBe("2");
    expect(await status("Seccomp", "--security-opt", "seccomp=unconfined")).toBe("0");
    expect(await status("Seccomp", "--privileged")).toBe("0");
  });

  test("a profile of one's own is honoured", async () => {
    const deny = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 };
    const profile = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [deny] };
    writeFileSync(box.path("profile.json"), JSON.stringify(profile));
    const flags = ["--security-opt", `seccomp=${box.path("profile.json")}`];
    const run = await box.hb(["run", ...flags, busybox, "mkdir", "/tmp/x"]);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain("No space left on device");
  });

  test("a profile that is wrong or missing is named", async () => {
    writeFileSync(box.path("bad.json"), "{");
    for (const file of [box.path("bad.json"), box.path("absent.json")]) {
      const flags = ["--security-opt", `seccomp=${file}`];
      expect(await box.failure(125, ["run", ...flags, busybox, "true"])).toContain(file);
    }
  });

  test("no_new_privs is off as in docker, and on when asked for", async () => {
    expect(await status("NoNewPrivs")).toBe("0");
    expect(await status("NoNewPrivs", "--security-opt", "no-new-privileges")).toBe("1");
  });

  test.each(["unshare -U true", "mount -t tmpfs x /tmp", "hostname other"])(
    "%s is refused",
    async (command) => {
      const run = await box.hb(["run", busybox, "sh", "-c", command]);
      expect(run.status).not.toBe(0);
      expect(run.stderr).toMatch(/not permitted|denied/i);
    },
  );
});

describe("paths", () => {
  test("docker's masked files are empty and masked directories are read-only", async () => {
    const files = "/proc/kcore /proc/keys /proc/timer_list /proc/latency_stats /proc/sched_debug";
    expect(await sh(`cat ${files} 2>/dev/null | wc -c`)).toBe("0");
    const folders = "/proc/scsi /proc/acpi /proc/asound /sys/firmware";
    expect(await sh(`find ${folders} -mindepth 1 2>/dev/null | wc -l`)).toBe("0");
  });

  test.each(["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity"])(
    "%s cannot be written",
    async (path) => {
      const run = await box.hb([
        "run",
        busybox,
        "sh",
        "-c",
        `test ! -e ${path} || echo x > ${path}`,
      ]);
      if (run.status !== 0) expect(run.stderr).toMatch(/Read-only|denied/);
      if (statExists(path)) expect(run.status).not.toBe(0);
    },
  );

  test("/sys is read-only", async () => {
    expect(await sh("grep ' /sys ' /proc/mounts | grep -c '[ ,]ro[, ]'")).toBe("1");
  });

  test("/dev has docker's nodes, and nothing of the host's", async () => {
    const expected =
      "console core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    const names = (await sh("ls /dev")).split("\n").filter((name) => name !== "console");
    expect(names).toEqual(expected.split(" ").filter((name) => name !== "console"));
    expect(
      await sh(
        "echo x > /dev/null; head -c 2 /dev/zero | wc -c; ls -l /dev/ptmx | grep -c pts/ptmx",
      ),
    ).toBe("2\n1");
  });

  test("no descriptor of hb or its caller is open inside", async () => {
    const fd = openSync("/etc/hostname", "r");
    const fds = await sh("ls /proc/self/fd");
    closeSync(fd);
    expect(fds.split("\n").slice(0, 3)).toEqual(["0", "1", "2"]);
    expect(fds.split("\n").length).toBeLessThanOrEqual(4);
  });

  test("descriptors the caller leaks to hb do not get in (CVE-2024-21626)", async () => {
    const script = 'exec 7</etc 8<. 9<"$0"; exec "$0" run "$1" ls /proc/self/fd';
    const run = await box.command(["bash", "-c", script, hbBinary, busybox]);
    expect(run.stdout).toMatch(/^0\n1\n2\n3\n$/);
  });

  test("/proc/self/exe of a payload is never a file of the host (CVE-2019-5736)", async () => {
    const run = await box.hb(["run", busybox, "sh", "-c", "echo x > /proc/1/exe"]);
    expect(run.status).not.toBe(0);
    expect(await sh("readlink /proc/1/exe")).toMatch(/^\/bin\//);
  });

  test("standard output is never a file of the host that the payload can reopen", async () => {
    writeFileSync(box.path("log"), "kept\n");
    const script =
      'exec "$0" run "$1" sh -c "head -c 4 /proc/self/fd/1; : > /proc/self/fd/1; echo more" >> log';
    await box.command(["sh", "-c", script, hbBinary, busybox]);
    expect(readFileSync(box.path("log"), "utf8")).toMatch(/^kept\n/);
  });
});

function statExists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

describe("--privileged", () => {
  test("gives every capability that hb itself can give, and writable /proc/sys", async () => {
    const caps = await sh("sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status", "--privileged");
    expect(BigInt(`0x${caps}`) & 0x1fffffffffn).toBeGreaterThan(BigInt(`0x${dockerCapabilities}`));
    expect(await sh("mount -t tmpfs x /tmp && echo mounted", "--privileged")).toBe("mounted");
    if (isRoot)
      expect(await sh("test -e /dev/mem && echo devices || echo devices", "--privileged")).toBe(
        "devices",
      );
  });
});

box.leavesNothingBehind();
