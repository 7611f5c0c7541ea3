/** A real distribution: packages install, set-user-ID programs work, users are who they say. */

import { describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { Box, debian, rootTest, testWith } from "./harness.ts";

const box = new Box();
const test = testWith("debian");

/** The image has this machine's mirror; its proxy, where it has one, comes as a file. */
async function proxyVolume(): Promise<string[]> {
  const { stdout } = await box.command(["apt-config", "dump"]);
  const proxies = stdout.split("\n").filter((line) => /^Acquire::.*Proxy/i.test(line));
  writeFileSync(box.path("proxy"), `${proxies.join("\n")}\n`);
  return ["-v", `${box.path("proxy")}:/etc/apt/apt.conf.d/90proxy:ro`];
}

describe("debian", () => {
  test("is what it says, and a shell of it works", async () => {
    const script = '. /etc/os-release; echo "$ID $VERSION_ID"; dpkg -l | grep -c ^ii';
    const [name, packages] = (await box.output(debian, "bash", "-c", script)).split("\n");
    expect(name).toBe("debian 12");
    expect(Number(packages)).toBeGreaterThan(50);
  });

  test("apt-get installs a package inside", async () => {
    // Three attempts: mirrors have bad moments, and they are not the subject.
    const script = `export DEBIAN_FRONTEND=noninteractive
      for attempt in 1 2 3; do
        apt-get -q update && apt-get -yq install --no-install-recommends hello && break
      done
      hello`;
    const args = ["run", "-q", ...(await proxyVolume()), debian, "bash", "-c", script];
    const run = await box.hb(args, { timeoutMs: 170_000 });
    expect(run.stdout + run.stderr).toContain("Setting up hello");
    expect(run).toMatchObject({ status: 0, stdout: expect.stringMatching(/Hello, world!\n$/) });
  }, 180_000);

  test("set-user-ID programs work, and no_new_privs stops them", async () => {
    const script =
      "cp /usr/bin/id /usr/bin/suid; chmod 4755 /usr/bin/suid; " +
      "setpriv --reuid 1000 --clear-groups suid -u";
    expect(await box.output(debian, "bash", "-c", script)).toBe("0");
    const flags = ["--security-opt", "no-new-privileges"];
    expect(await box.output(...flags, debian, "bash", "-c", script)).toBe("1000");
  });

  test("chown, useradd and su work", async () => {
    const script =
      "useradd -m alice; su alice -c 'id -un; touch ~/x'; stat -c '%U %G' /home/alice/x";
    expect(await box.output(debian, "bash", "-c", script)).toBe("alice\nalice alice");
  });

  test("a directory of the image can be renamed by any program (H-1)", async () => {
    const script =
      "mv /usr/share/doc /usr/share/moved && ls -d /usr/share/moved && test ! -e /usr/share/doc";
    expect(await box.output(debian, "bash", "-c", script)).toBe("/usr/share/moved");
  });

  rootTest("as root, directories are renamed without a copy", async () => {
    const script =
      "perl -e 'rename q(/usr/share/doc), q(/usr/share/moved) or die $!'; ls -d /usr/share/moved";
    expect(await box.output(debian, "bash", "-c", script)).toBe("/usr/share/moved");
  });
});

box.leavesNothingBehind();
