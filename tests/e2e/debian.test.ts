/** A real distribution: packages install, set-user-ID programs work, users are who they say. */

import { describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { Box, debian, rootTest, testWith } from "./harness.ts";

const box = new Box();
const test = testWith("debian");

/** The caller's own package sources and their keys, so that its mirror and its cache serve. */
function aptVolumes(): string[] {
  const paths = ["/etc/apt/sources.list", "/etc/apt/sources.list.d", "/etc/apt/apt.conf.d"];
  const more = ["/usr/share/keyrings", "/etc/apt/keyrings", "/etc/apt/trusted.gpg.d"];
  const present = [...paths, ...more].filter((path) => existsSync(path));
  return present.flatMap((path) => ["-v", `${path}:${path}:ro`]);
}

describe("debian", () => {
  test("is what it says, and a shell of it works", async () => {
    const script = '. /etc/os-release; echo "$ID $VERSION_ID"; dpkg -l | grep -c ^ii';
    const [name, packages] = (await box.output(debian, "bash", "-c", script)).split("\n");
    expect(name).toBe("debian 12");
    expect(Number(packages)).toBeGreaterThan(50);
  });

  test("apt-get installs a package inside", async () => {
    const script = [
      "set -e",
      "apt-get -q update -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::sourcelist=/tmp/list",
      "DEBIAN_FRONTEND=noninteractive apt-get -yq install --no-install-recommends hello",
      "hello",
    ].join("\n");
    const sources = "deb http://deb.debian.org/debian bookworm main";
    const prepare = `echo '${sources}' > /tmp/list`;
    const args = ["run", "-q", ...aptVolumes(), debian, "bash", "-c", `${prepare}\n${script}`];
    const run = await box.hb(args, { timeoutMs: 150_000 });
    expect(run.stdout + run.stderr).toContain("Setting up hello");
    expect(run.stdout).toEndWith("Hello, world!\n");
  }, 160_000);

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
