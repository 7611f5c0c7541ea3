/**
 * Limits where systemd and cgroup v2 are: in virtual machines, as a logged-in user and as root. By
 * hand or by a switch, for they take minutes (tests/setup/vm.ts).
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

const runner = process.env.HB_TEST_VM_RUNNER ?? "";
const suites = (process.env.HB_TEST_VM_SUITES ?? "bookworm,trixie").split(",");
const timeoutMs = 900_000;

/** What each scenario of guest.sh printed. */
type Said = ReadonlyMap<string, string>;

async function runGuest(suite: string, user: string): Promise<Said> {
  const files = [process.env.HB_TEST_BIN ?? "", process.env.HB_TEST_ROOTFS ?? ""];
  const copies = [...files, join(import.meta.dir, "guest.sh")].flatMap((path) => ["--copy", path]);
  const as = user === "root" ? ["--root"] : [];
  const argv = [runner, "run", "--suite", suite, "--with", "uidmap", ...as, ...copies];
  const child = Bun.spawn([...argv, "--", "sh", "./guest.sh"], { stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`${stdout}\n${stderr}`);
  const blocks = stdout.split(/^== /m).slice(1);
  return new Map(
    blocks.map((block) => {
      const end = block.indexOf("\n");
      return [block.slice(0, end), block.slice(end + 1)];
    }),
  );
}

for (const suite of suites) {
  for (const user of ["user", "root"]) {
    describe(`Debian ${suite}, as ${user === "root" ? "root" : "a logged-in user"}`, () => {
      let guest: Said = new Map();
      const said = (scenario: string) => guest.get(scenario) ?? `no scenario ${scenario}`;

      beforeAll(async () => {
        guest = await runGuest(suite, user);
      }, timeoutMs);

      test("a memory hog is killed, and hb says why", () => {
        expect(said("memory")).toContain("killed by SIGKILL: memory limit 64 MiB reached");
        expect(said("memory")).toContain("status 137");
      });

      test("the settings are what was asked for, seen from inside", () => {
        const values = said("settings")
          .split("\n")
          .filter((line) => line !== "" && !line.startsWith("==>"));
        expect(values).toEqual([
          ...["67108864", "33554432", "30", "50000 100000", "59", "0::/", "status 0"],
        ]);
      });

      test("--cpus 0.5 halves a busy loop", () => {
        const percent = Number(/percent (\d+)/.exec(said("cpus"))?.[1]);
        expect(percent).toBeGreaterThan(35);
        expect(percent).toBeLessThan(60);
      });

      test("--pids-limit stops a fork bomb", () => {
        expect(said("pids")).toContain("can't fork");
        expect(said("pids")).not.toContain("never");
        expect(said("pids")).toContain("status 2");
      });

      test("a controller that is not delegated is an error that says how to get it", () => {
        if (user === "root") {
          expect(said("cpuset")).toBe("0\nstatus 0\n");
        } else {
          expect(said("cpuset")).toMatch(/hb: .* cpuset not delegated .*user@\.service\.d/);
          expect(said("cpuset")).toContain("status 125");
        }
      });

      test("a container with limits is paused, measured and given others while it runs", () => {
        expect(said("detached")).toMatch(/^status 0\n[\d.]+[KM]iB \/ 64MiB \d+\ncounter\nUp .*/m);
        expect(said("detached")).toContain("(Paused)");
        expect(said("detached")).toMatch(/hb: Cannot pause counter: it is paused already/);
        expect(said("detached")).toMatch(/stands still\ncounter\ngoes on\ncounter\n100663296\n/);
      });

      test("nothing of a killed supervisor is left", () => {
        expect(said("killed")).toContain("nothing is left");
        expect(said("end")).toContain("nothing is left");
      });

      if (user === "root") {
        test("without systemd root makes cgroups by itself, and removes them", () => {
          expect(said("direct")).toBe("67108864\n0\ndefault 910\nstatus 0\ncgroups left: 0\n");
        });

        test("root pauses a container without limits", () => {
          expect(said("unlimited")).toMatch(/plain\nUp .*\(Paused\)\nplain\nplain\n/);
        });
      } else {
        test("a cgroup that is delegated already is used where it is", () => {
          expect(said("delegated")).toContain("67108864");
          expect(said("delegated")).toContain("scopes of hb's: 0");
        });

        test("an ordinary user's container without a cgroup says what pausing it takes", () => {
          expect(said("unlimited")).toMatch(/hb: Cannot pause plain: it has no cgroup of its own/);
        });

        test("hb says what a logout would end, until the user lingers", () => {
          const [before, after] = said("linger").split("-- enabled\n");
          expect(before).toContain("loginctl enable-linger");
          expect(after).toBe("");
        });

        test("a logout without lingering ends the container, which can be told and removed", () => {
          expect(said("logout")).toMatch(/^\d+\nExited \(\d+\) .*\nstays\n$/);
        });
      }
    });
  }
}
