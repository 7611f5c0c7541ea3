/** `hb run` flags that shape the process: environment, user, directory, names, labels, files. */

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { Box, busybox, isRoot } from "./harness.ts";

const box = new Box();

function lines(text: string): string[] {
  return text.split("\n").sort();
}

describe("-e and --env-file", () => {
  test("-e sets a variable, over the image's, and passes the caller's by its name", async () => {
    const flags = ["-e", "A=1", "--env", "PATH=/bin", "-e", "OURS", "-e", "ABSENT"];
    const run = await box.hb(["run", "-q", ...flags, busybox, "env"], {
      env: { OURS: "from here" },
    });
    expect(lines(run.stdout.trim())).toContain("A=1");
    expect(lines(run.stdout.trim())).toContain("PATH=/bin");
    expect(lines(run.stdout.trim())).toContain("OURS=from here");
    expect(run.stdout).not.toContain("ABSENT");
  });

  test("nothing else of the caller's environment reaches the container", async () => {
    const run = await box.hb(["run", busybox, "env"], { env: { SECRET: "x", LD_PRELOAD: "" } });
    const names = lines(run.stdout.trim()).map((line) => line.split("=")[0]);
    expect(names).toEqual(["HOME", "HOSTNAME", "PATH"]);
  });

  test("values keep spaces, quotes and equals signs", async () => {
    expect(await box.output("-e", "V= a'\"=b ", busybox, "sh", "-c", 'echo "$V"')).toBe(" a'\"=b ");
  });

  test("--env-file takes lines and comments, and -e comes last", async () => {
    writeFileSync(box.path("env"), "# a comment\n\nA=file\nB=kept as it is # \nPASSED\n");
    const flags = ["--env-file", box.path("env"), "-e", "A=flag"];
    const run = await box.hb(["run", ...flags, busybox, "env"], { env: { PASSED: "on" } });
    expect(lines(run.stdout)).toEqual(
      expect.arrayContaining(["A=flag", "B=kept as it is # ", "PASSED=on"]),
    );
  });

  test("an env file that is wrong or missing is one line and 125", async () => {
    writeFileSync(box.path("bad-env"), "A=1\nB C=2\n");
    const wrong = await box.failure(125, [
      "run",
      "--env-file",
      box.path("bad-env"),
      busybox,
      "true",
    ]);
    expect(wrong).toContain("bad-env");
    const absent = await box.failure(125, ["run", "--env-file", "no-such-file", busybox, "true"]);
    expect(absent).toContain("no-such-file");
  });
});

describe("-u and --group-add", () => {
  const id = (...flags: string[]) => box.output(...flags, busybox, "id");

  test.each([
    [[], "uid=0(root) gid=0(root) groups=0(root)"],
    [["-u", "nobody"], "uid=65534(nobody) gid=65534(nogroup) groups=50(staff),65534(nogroup)"],
    [["-u", "12:34"], "uid=12 gid=34 groups=34"],
    [["-u", "12"], "uid=12 gid=0(root) groups=0(root)"],
    [["-u", "nobody:staff"], "uid=65534(nobody) gid=50(staff) groups=50(staff)"],
    [
      ["-u", "12:34", "--group-add", "staff", "--group-add", "77"],
      "uid=12 gid=34 groups=34,50(staff),77",
    ],
  ])("%j gives %s (H-17)", async (flags, expected) => {
    const sorted = (text: string) => {
      const [ids = "", groups = ""] = text.split(" groups=");
      return [ids, ...groups.split(",").sort()];
    };
    expect(sorted(await id(...flags))).toEqual(sorted(expected));
  });

  test("HOME is the user's, from the image's /etc/passwd", async () => {
    expect(await box.output("-u", "nobody", busybox, "sh", "-c", "echo $HOME")).toBe("/");
    expect(await box.output("-e", "HOME=/mine", busybox, "sh", "-c", "echo $HOME")).toBe("/mine");
  });

  test("a user or a group that the image does not have is one line and 125", async () => {
    expect(await box.failure(125, ["run", "-u", "alice", busybox, "id"])).toContain("alice");
    expect(await box.failure(125, ["run", "-u", "0:crew", busybox, "id"])).toContain("crew");
    expect(await box.failure(125, ["run", "--group-add", "crew", busybox, "id"])).toContain("crew");
  });
});

describe("-w, --entrypoint and names", () => {
  test("-w is where the payload starts, made when it is missing", async () => {
    expect(await box.output("-w", "/made/for/me", busybox, "pwd")).toBe("/made/for/me");
  });

  test("-w on a file is one line and 125 or more", async () => {
    const message = await box.failure(125, ["run", "-w", "/etc/passwd", busybox, "pwd"]);
    expect(message).toContain("/etc/passwd");
  });

  test("--entrypoint replaces the image's program and drops its Cmd", async () => {
    expect(await box.output("--entrypoint", "echo", busybox, "a", "b")).toBe("a b");
    expect(await box.output("--entrypoint", "echo", busybox)).toBe("");
  });

  test("-h sets hostname, /etc/hostname, /etc/hosts and $HOSTNAME", async () => {
    const script = "hostname; cat /etc/hostname; echo $HOSTNAME; grep -c box.example /etc/hosts";
    const text = await box.output(
      "--network",
      "none",
      "-h",
      "box.example",
      busybox,
      "sh",
      "-c",
      script,
    );
    expect(text.split("\n").slice(0, 3)).toEqual(["box.example", "box.example", "box.example"]);
    expect(Number(text.split("\n")[3])).toBeGreaterThan(0);
  });

  test("the default hostname is the container's id, short", async () => {
    const text = await box.output(
      "--network",
      "none",
      "--cidfile",
      box.path("cid"),
      busybox,
      "hostname",
    );
    expect(readFileSync(box.path("cid"), "utf8")).toMatch(/^[0-9a-f]{64}$/);
    expect(readFileSync(box.path("cid"), "utf8").slice(0, 12)).toBe(text);
  });

  test("--cidfile refuses to overwrite a file", async () => {
    writeFileSync(box.path("taken"), "precious");
    const message = await box.failure(125, [
      "run",
      "--cidfile",
      box.path("taken"),
      busybox,
      "true",
    ]);
    expect(message).toContain("taken");
    expect(readFileSync(box.path("taken"), "utf8")).toBe("precious");
  });

  test("--name and --label are taken; a name that cannot be one is not", async () => {
    await box.output("--name", "web_1.a-b", "--label", "a=b", "--label", "c", busybox, "true");
    expect(await box.failure(125, ["run", "--name", "../up", busybox, "true"])).toContain("../up");
  });
});

describe("/etc/hosts and /etc/resolv.conf (H-13)", () => {
  test("--add-host adds lines to those that are always there", async () => {
    const hosts = await box.output(
      "--add-host",
      "db:10.1.2.3",
      "--add-host",
      "v6:::1",
      busybox,
      "cat",
      "/etc/hosts",
    );
    expect(hosts).toMatch(/^10\.1\.2\.3\s+db$/m);
    expect(hosts).toMatch(/^::1\s+v6$/m);
    expect(hosts).toMatch(/^127\.0\.0\.1\s.*localhost/m);
  });

  test("--dns writes the name servers", async () => {
    const text = await box.output(
      "--dns",
      "9.9.9.9",
      "--dns-search",
      "example.org",
      busybox,
      "cat",
      "/etc/resolv.conf",
    );
    expect(text).toMatch(/^nameserver 9\.9\.9\.9$/m);
    expect(text).toMatch(/^search example\.org$/m);
  });

  test("writing to them changes nothing outside (H-9)", async () => {
    // A minimal Debian has no /etc/hosts.
    const files = ["/etc/hosts", "/etc/resolv.conf"].filter((path) => existsSync(path));
    const before = files.map((path) => readFileSync(path, "utf8"));
    const script = "echo 6.6.6.6 evil >> /etc/hosts; echo x > /etc/resolv.conf";
    await box.output(busybox, "sh", "-c", script);
    expect(files.map((path) => readFileSync(path, "utf8"))).toEqual(before);
  });

  test("malformed values are named", async () => {
    expect(await box.failure(125, ["run", "--add-host", "db", busybox, "true"])).toContain("db");
    expect(await box.failure(125, ["run", "--dns", "not-an-ip", busybox, "true"])).toContain(
      "not-an-ip",
    );
  });
});

describe("--ulimit and --stop-signal", () => {
  test("--ulimit sets soft and hard limits", async () => {
    const script = "ulimit -Sn; ulimit -Hn";
    expect(await box.output("--ulimit", "nofile=100:200", busybox, "sh", "-c", script)).toBe(
      "100\n200",
    );
  });

  test("a limit the user may not raise is kept as it is, not a failure", async () => {
    const limited = ["sh", "-c", 'ulimit -n 512; exec "$@"', "sh"];
    const hb = [process.env.HB_TEST_BIN ?? "hb", "run", busybox, "sh", "-c", "ulimit -Hn"];
    const run = await box.command([...limited, ...hb]);
    expect(run).toMatchObject({ status: 0, stderr: "" });
    if (!isRoot) expect(run.stdout).toBe("512\n");
  });

  test("unknown limits and signals are named", async () => {
    expect(await box.failure(125, ["run", "--ulimit", "files=1", busybox, "true"])).toContain(
      "files",
    );
    expect(await box.failure(125, ["run", "--stop-signal", "SIGNOPE", busybox, "true"])).toContain(
      "SIGNOPE",
    );
  });
});

test("no flag leaves a file in the caller's directory", () => {
  expect(existsSync(box.path("core"))).toBe(false);
});

box.leavesNothingBehind();
