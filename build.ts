/**
 * Makes dist/hb in three visible steps: compile the helper, embed it with the hello image, compile
 * the front end around both.
 *
 *   bun build.ts                      dist/hb for this machine
 *   bun build.ts --demo               the same, then `dist/hb run hello`
 *   bun build.ts --embed              the first two steps only: what tests and type checks need
 *   bun build.ts --target NAME        a release: linux-x64, linux-arm64, both with -musl, or all
 *
 * It starts on a machine that has only Bun (or npx), and python3 with pip where Zig is missing, so
 * it uses nothing but Bun's built-ins; dependencies and Zig come by their own checked installers.
 */

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

const root = import.meta.dir;
const toolchain = join(root, ".toolchain");
const dist = join(root, "dist");
const embedded = join(dist, "embed");
const bunVersion = "1.4.5";
const zigVersion = "0.17.1";

/** The pinned Zig as PyPI has it; pip refuses any other bytes. */
const zigRequirement = `ziglang==${zigVersion} \
--hash=sha256:ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54 \
--hash=sha256:b7c5f02fccd40f89b999ee16a1f5ddced56e6182370f8affe494bcf8a28cf07e
`;

/**
 * ReleaseSafe keeps bounds and overflow checks where hostile layers are parsed, and they cost
 * nothing that shows: unpacking 66,000 files (760 MB) took 0.1 to 0.2 s of user time in each of
 * Safe, Small and Fast, and the kernel's part is a hundred times that. 650 KB instead of 330.
 */
const zigFlags = ["-OReleaseSafe", "-fstrip", "-fsingle-threaded", "-fno-unwind-tables"];

const compileFlags = [
  // --splitting: one file would load at every start what its rarest command imports (node:net,
  // node:crypto, node:zlib …); a cached run starts 3 ms sooner without.
  ...["--compile", "--minify", "--bytecode", "--format=esm", "--splitting"],
  // Few chunks instead of dozens (0.3 ms of a start), and functions that run once are not worth
  // compiling to machine code (0.2 ms).
  ...["--min-chunk-size=16384", "--compile-jit-policy=8"],
  // No --bytecode-order: a profile changes nothing that can be measured (11.3 and 11.6 ms).
  // hb runs in directories that belong to others: their files must not configure it.
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-tsconfig",
  "--no-compile-autoload-package-json",
];

type Architecture = "x64" | "arm64";

interface Target {
  readonly name: string;
  readonly arch: Architecture;
  /** The npm package that holds Bun's executable for this target, and its integrity. */
  readonly bunPackage: string;
  readonly sha512: string;
}

const targets: readonly Target[] = [
  {
    name: "linux-x64",
    arch: "x64",
    bunPackage: "@oven/bun-linux-x64",
    sha512:
      "IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==",
  },
  {
    name: "linux-arm64",
    arch: "arm64",
    bunPackage: "@oven/bun-linux-aarch64",
    sha512:
      "4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg==",
  },
  {
    name: "linux-x64-musl",
    arch: "x64",
    bunPackage: "@oven/bun-linux-x64-musl",
    sha512:
      "10QoW/YfTgnURaGEaHpJCiXjLI2e5iTtfVDaA5JKcyUzaa1cq6cVUY9/Uq5XkYzvtRjHLRe9Oj/lTDIQcxy8HQ==",
  },
  {
    name: "linux-arm64-musl",
    arch: "arm64",
    bunPackage: "@oven/bun-linux-aarch64-musl",
    sha512:
      "XCNc+WvvMAdNNb+OWTogpy+N9wm62fkVeEVLb6how0RZhW5LPi6c7BlkeVCuWps7XjEl2saFpHFa20/1E+PAHg==",
  },
];

/** node_modules exactly as bun.lock says; 10 ms when it already is. */
function installDependencies(): void {
  run([process.execPath, "install", "--frozen-lockfile", "--silent"]);
}

/** Zig of exactly the pinned version: $ZIG, then PATH, then the pinned wheel in .toolchain. */
export function findZig(): string {
  const asked = process.env.ZIG;
  if (asked !== undefined && asked !== "") {
    if (outputOf([asked, "version"]) === zigVersion) return asked;
    fail(`$ZIG is not Zig ${zigVersion}: "${asked}"; unset it to have that version installed`);
  }
  const wheel = join(toolchain, `zig-${zigVersion}`);
  const wheelZig = join(wheel, "ziglang", "zig");
  for (const zig of ["zig", wheelZig]) if (outputOf([zig, "version"]) === zigVersion) return zig;

  say(`installing Zig ${zigVersion} with pip into .toolchain/ (once)`);
  rmSync(wheel, { recursive: true, force: true });
  mkdirSync(toolchain, { recursive: true });
  const requirements = join(toolchain, "zig-requirements.txt");
  writeFileSync(requirements, zigRequirement);
  const pip = ["python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  const checked = ["--require-hashes", "--only-binary=:all:", "--no-deps", "-r", requirements];
  // --target leaves the system alone, so pip asks for no permission to change it (PEP 668).
  run([...pip, ...checked, "--no-compile", "--target", wheel]);
  if (outputOf([wheelZig, "version"]) !== zigVersion) fail("the installed Zig does not run");
  return wheelZig;
}

/** Step 1: the helper's programs for one CPU, compiled again when a source or a flag changed. */
function compileHelper(arch: Architecture): string {
  const sources = join(root, "helper-zig", "src");
  const triple = arch === "x64" ? "x86_64-linux-none" : "aarch64-linux-none";
  const hash = createHash("sha256").update([zigVersion, ...zigFlags].join(" "));
  for (const name of readdirSync(sources)
    .filter((name) => name.endsWith(".zig"))
    .sort()) {
    hash.update(`\0${name}\0`).update(readFileSync(join(sources, name)));
  }
  const compiled = join(toolchain, `helper-${arch}`);
  const stamp = join(compiled, "sources.sha256");
  const wanted = hash.digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return compiled;

  mkdirSync(compiled, { recursive: true });
  const caches = ["--cache-dir", ".zig-cache", "--global-cache-dir", ".zig-cache/global"];
  for (const [source, program] of Object.entries({ "main.zig": "hb-init", "hello.zig": "hello" })) {
    const emit = `-femit-bin=${join(compiled, program)}`;
    const zig = [findZig(), "build-exe", join(sources, source), "-target", triple];
    run([...zig, ...zigFlags, ...caches, emit]);
  }
  writeFileSync(stamp, wanted);
  return compiled;
}

/** Step 2: what src/ imports as files: the helper, and an image made around one static program. */
async function embed(arch: Architecture): Promise<void> {
  const compiled = compileHelper(arch);
  const tar = helloTar(readFileSync(join(compiled, "hello")));
  // Resolved only now: on a fresh machine node_modules is younger than this process.
  const { gzipSync } = await import("fflate");
  const layer = gzipSync(tar, { level: 9, mtime: 0 });
  const config = json({
    created: "1970-01-01T00:00:00Z",
    architecture: arch === "x64" ? "amd64" : "arm64",
    os: "linux",
    config: {
      Env: ["PATH=/"],
      Entrypoint: ["/hello"],
      Labels: { "org.opencontainers.image.title": "hello" },
    },
    rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
    history: [{ created: "1970-01-01T00:00:00Z", created_by: "build.ts" }],
  });
  const oci = "application/vnd.oci.image";
  const manifest = json({
    schemaVersion: 2,
    mediaType: `${oci}.manifest.v1+json`,
    config: descriptor(`${oci}.config.v1+json`, config),
    layers: [descriptor(`${oci}.layer.v1.tar+gzip`, layer)],
  });
  mkdirSync(embedded, { recursive: true });
  replaceFile(join(embedded, "hb-init"), readFileSync(join(compiled, "hb-init")));
  replaceFile(join(embedded, "hello-layer.tar.gz"), layer);
  replaceFile(join(embedded, "hello-config.json"), config);
  replaceFile(join(embedded, "hello-manifest.json"), manifest);
}

/** Step 3: one executable, of Bun, the bundle and its bytecode, and the embedded files. */
function compileFrontEnd(outfile: string, crossFlags: readonly string[]): void {
  const outputFlag = `--outfile=${outfile}`;
  run([process.execPath, "build", ...compileFlags, ...crossFlags, "src/main.ts", outputFlag]);
}

/** hello's layer as ustar (POSIX.1-1988), the same bytes for the same program. */
function helloTar(program: Uint8Array): Uint8Array {
  const text = (content: string) => new TextEncoder().encode(content);
  const entries = [
    ...["dev/", "etc/", "proc/", "sys/"].map((name) => ({ name, mode: 0o755, data: text("") })),
    { name: "tmp/", mode: 0o1777, data: text("") },
    { name: "etc/group", mode: 0o644, data: text("root:x:0:\n") },
    { name: "etc/passwd", mode: 0o644, data: text("root:x:0:0:root:/:/hello\n") },
    { name: "hello", mode: 0o755, data: program },
  ];
  const blocks = entries.flatMap(({ name, mode, data }) => [
    tarHeader(name, mode, data.length),
    data,
    new Uint8Array((512 - (data.length % 512)) % 512),
  ]);
  return Buffer.concat([...blocks, new Uint8Array(1024)]);
}

function tarHeader(name: string, mode: number, sizeBytes: number): Uint8Array {
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, width: number) =>
    header.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at);
  header.write(name, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(sizeBytes, 124, 12);
  octal(0, 136, 12);
  header.write("        ", 148);
  header.write(name.endsWith("/") ? "5" : "0", 156);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

function descriptor(mediaType: string, bytes: Uint8Array) {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Bun's executable for another target, from npm, in .toolchain; bun checks it against the pin. */
function bunExecutable({ name, arch, bunPackage, sha512 }: Target): string {
  const folder = join(toolchain, `bun-${name}`);
  const executable = join(folder, "node_modules", bunPackage, "bin", "bun");
  const lock = join(folder, "bun.lock");
  if (!existsSync(executable)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "private": true }');
    const platform = ["--os=linux", `--cpu=${arch}`, "--ignore-scripts", "--exact", "--silent"];
    run([process.execPath, "add", ...platform, `${bunPackage}@${bunVersion}`], folder);
  }
  if (readFileSync(lock, "utf8").includes(`"sha512-${sha512}"`)) return executable;
  return fail(`${bunPackage}@${bunVersion} is not the one pinned in build.ts`);
}

/** Releases: helper and front end for each target, one after another, and their sums. */
async function buildTargets(names: readonly string[]): Promise<void> {
  const sums: string[] = [];
  for (const target of targets.filter(({ name }) => names.includes(name) || names[0] === "all")) {
    await embed(target.arch);
    const outfile = join(dist, `hb-${target.name}`);
    const executable = `--compile-executable-path=${bunExecutable(target)}`;
    compileFrontEnd(outfile, [`--target=bun-${target.name}`, executable]);
    const sum = createHash("sha256").update(readFileSync(outfile)).digest("hex");
    sums.push(`${sum}  hb-${target.name}\n`);
    say(`dist/hb-${target.name}`);
  }
  replaceFile(join(dist, "SHA256SUMS"), new TextEncoder().encode(sums.join("")));
  await embed(hostArchitecture());
}

function hostArchitecture(): Architecture {
  if (process.platform !== "linux") fail(`hb is built on Linux, not on ${process.platform}`);
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  return fail(`hb runs on x64 and arm64, not on ${process.arch}`);
}

/** Whoever reads the file meanwhile has the old one or the new one, whole. */
function replaceFile(path: string, bytes: Uint8Array): void {
  writeFileSync(`${path}.${process.pid}`, bytes);
  renameSync(`${path}.${process.pid}`, path);
}

function outputOf(argv: string[]): string | undefined {
  if (Bun.which(argv[0] ?? "") === null) return undefined;
  const { exitCode, stdout } = Bun.spawnSync(argv, { stderr: "ignore" });
  return exitCode === 0 ? stdout.toString().trim() : undefined;
}

/** Runs a program to its end; shows what it printed, and fails the build, only when it fails. */
function run(argv: readonly string[], cwd = root): void {
  const child = Bun.spawnSync([...argv], { cwd, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  if (child.exitCode === 0) return;
  process.stderr.write(child.stdout);
  process.stderr.write(child.stderr);
  fail(`failed with ${child.signalCode ?? child.exitCode}: ${argv.join(" ")}`);
}

function say(message: string): void {
  process.stderr.write(`build: ${message}\n`);
}

function fail(message: string): never {
  say(message);
  process.exit(1);
}

async function main(argv: readonly string[]): Promise<void> {
  if (Bun.version !== bunVersion) {
    fail(`Bun ${Bun.version} is not Bun ${bunVersion}; use: npx -y bun@${bunVersion} run build`);
  }
  const started = performance.now();
  installDependencies();
  const [option = "", ...names] = argv;
  if (option === "--target") {
    const known = ["all", ...targets.map(({ name }) => name)];
    const unknown = names.find((name) => !known.includes(name));
    if (names.length === 0 || unknown !== undefined) fail(`--target is one of ${known.join(", ")}`);
    return buildTargets(names);
  }
  if (!["", "--demo", "--embed"].includes(option)) fail(`unknown option "${option}"`);
  await embed(hostArchitecture());
  if (option === "--embed") return;
  compileFrontEnd(join(dist, "hb"), []);
  say(`dist/hb in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  if (option === "--demo") {
    const demo = [join(dist, "hb"), "run", "hello"];
    process.exit(Bun.spawnSync(demo, { stdio: ["inherit", "inherit", "inherit"] }).exitCode);
  }
}

if (import.meta.main) await main(process.argv.slice(2));
