/**
 * The end-to-end stages: packages, a registry full of images, then `bun test tests/e2e` once per
 * kind of user. What the tests need to know they get in `HB_TEST_*` variables.
 */

import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { pushBaseImages } from "./images.ts";
import { bunTest, type Outcome, type Stage } from "./outcome.ts";
import { installPackages, systemPath } from "./packages.ts";
import { startRegistry } from "./registry.ts";
import { asTestUser, ensureTestUser, homeOf, testUser } from "./user.ts";

const isRoot = process.getuid?.() === 0;

/** As root both; as an ordinary user the rootless one, and a loud skip of the other. */
export function e2eStages(root: string): readonly Stage[] {
  const asRoot = isRoot ? (filter: string) => e2e(root, filter, runHere) : skipRoot;
  const rootless = isRoot ? runAsTestUser : runHere;
  return [
    { name: "e2e root", run: asRoot },
    { name: "e2e rootless", run: (filter) => e2e(root, filter, rootless) },
  ];
}

async function skipRoot(): Promise<Outcome> {
  return { passed: 0, failed: 0, skipped: 1, output: "! run the tests as root for this part" };
}

/** One run of the tests: where the tree is, which files, with which variables. */
interface Run {
  readonly root: string;
  readonly filter: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Runs the tests in a scratch folder of their own, beside a registry of their own. */
async function e2e(root: string, filter: string, run: (run: Run) => Promise<Outcome>) {
  const missing = [...(await installPackages())];
  if (!crunStarts()) missing.push("crun");
  // Not /tmp: where that is a tmpfs, older kernels refuse overlay's upper directory on it.
  const scratch = mkdtempSync("/var/tmp/hb-e2e-");
  const registry = await startRegistry(scratch);
  try {
    const images = await pushBaseImages(registry.host);
    return await run({
      root,
      filter,
      env: {
        HB_TEST_REGISTRY: registry.host,
        HB_TEST_IMAGES: images.join(","),
        HB_TEST_MISSING: missing.join(","),
      },
    });
  } finally {
    await registry.stop();
    rmSync(scratch, { recursive: true });
  }
}

function testFiles(root: string, filter: string): string[] {
  const folder = join(root, "tests/e2e");
  const files = readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
  const wanted = files.filter((name) => join("tests/e2e", name).includes(filter));
  // Without a file bun would run them all.
  if (wanted.length === 0) throw new Error(`no file has "${filter}"`);
  return wanted.sort().map((name) => `./tests/e2e/${name}`);
}

/** Where "hybrid" machines have cgroup v2, beside v1. */
const unified = "/sys/fs/cgroup/unified";

/**
 * crun refuses to start where both cgroup v1 and v2 have controllers, and they may move while the
 * tests run. As root those run in a mount namespace without v2; the machine is left as it is.
 */
function withoutHybridCgroups(argv: readonly string[]): readonly string[] {
  if (!isRoot || !existsSync(`${unified}/cgroup.controllers`)) return argv;
  return ["unshare", "--mount", "sh", "-c", `umount ${unified}; exec "$@"`, "sh", ...argv];
}

/** An ordinary user cannot do that. */
function crunStarts(): boolean {
  const controllers = `${unified}/cgroup.controllers`;
  return isRoot || !existsSync(controllers) || readFileSync(controllers, "utf8").trim() === "";
}

async function runHere({ root, filter, env }: Run): Promise<Outcome> {
  const argv = [
    process.execPath,
    "test",
    "--only-failures",
    "--timeout=60000",
    ...testFiles(root, filter),
  ];
  const paths = { PATH: systemPath, HB_TEST_BIN: join(root, "dist/hb") };
  const probe = join(root, "dist/probe");
  return bunTest(withoutHybridCgroups(argv), {
    cwd: root,
    env: { ...process.env, ...env, ...paths, HB_TEST_PROBE: probe },
  });
}

/** The same as the test user, who may not see this folder: on a copy in its home. */
async function runAsTestUser({ root, filter, env }: Run): Promise<Outcome> {
  ensureTestUser();
  const home = homeOf(testUser) ?? "/";
  const copy = mkdtempSync(join(home, "e2e-"));
  try {
    mkdirSync(join(copy, "dist"));
    mkdirSync(join(copy, "tmp"));
    copyFileSync(process.execPath, join(copy, "bun"));
    for (const name of ["dist/hb", "dist/probe", "tests"]) {
      const from = join(root, name);
      if (existsSync(from)) cpSync(from, join(copy, name), { recursive: true });
    }
    Bun.spawnSync(["chown", "-R", testUser, copy]);
    const variables = {
      ...env,
      HOME: home,
      USER: testUser,
      LANG: "C.UTF-8",
      PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
      TMPDIR: join(copy, "tmp"),
      HB_TEST_BIN: join(copy, "dist/hb"),
      HB_TEST_PROBE: join(copy, "dist/probe"),
    };
    const bun = [
      join(copy, "bun"),
      "test",
      "--only-failures",
      "--timeout=60000",
      ...testFiles(root, filter),
    ];
    const argv = withoutHybridCgroups(asTestUser(variables, bun));
    return await bunTest(argv, { cwd: copy, env: { PATH: systemPath } });
  } finally {
    Bun.spawnSync(["rm", "-rf", copy]);
  }
}
