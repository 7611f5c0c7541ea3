/**
 * The test command: everything that must hold, one line per stage, failures in full.
 *
 *   bun run test                  all of it
 *   bun run test e2e/run          the stage `e2e`, only files whose path has e2e/run
 *   bun run test --must-work      what cannot run here is a failure (HB_TEST_MUST_WORK=1)
 *
 *   bun run test vm               limits in virtual machines, not part of the rest (setup/vm.ts)
 *
 * As root the end-to-end tests run twice, as root and as an ordinary user made for it; otherwise
 * once. Only Bun's built-ins are used before the dependencies are there.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findZig } from "../build.ts";
import { e2eStages } from "./setup/e2e.ts";
import { bunTest, capture, check, type Outcome, type Stage, sum } from "./setup/outcome.ts";
import { vmStage } from "./setup/vm.ts";

const root = join(import.meta.dir, "..");
const bun = process.execPath;
const caches = ["--cache-dir", ".zig-cache", "--global-cache-dir", ".zig-cache/global"];

function unitTests(filter: string): Promise<Outcome> {
  const folders = ["./src/", "./tests/registry/"].filter((path) => existsSync(join(root, path)));
  return bunTest([bun, "test", "--only-failures", ...(filter === "" ? folders : [filter])]);
}

/** Every Zig file with tests is a test program of its own, two compiled at a time. */
async function zigTests(filter: string): Promise<Outcome> {
  const folder = join(root, "helper-zig", "src");
  const files = readdirSync(folder).filter((name) => {
    return name.endsWith(".zig") && /^test /m.test(readFileSync(join(folder, name), "utf8"));
  });
  const queue = files.filter((name) => join("helper-zig/src", name).includes(filter)).sort();
  const zig = findZig();
  const outcomes: Outcome[] = [];
  const work = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const file = join("helper-zig/src", name);
      outcomes.push(
        countZigTests(await capture([zig, "test", file, "-fsingle-threaded", ...caches])),
      );
    }
  };
  await Promise.all([work(), work()]);
  return sum(outcomes);
}

function countZigTests({ status, output }: { status: number; output: string }): Outcome {
  const count = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? 0);
  const passed = count(/All (\d+) tests passed/) + count(/(\d+) passed;/);
  const failed = Math.max(count(/(\d+) failed/), status === 0 ? 0 : 1);
  const skipped = count(/(\d+) skipped/);
  return { passed, failed, skipped, output: failed + skipped > 0 ? output : "" };
}

/** dist/hb, and the program that the end-to-end tests run inside to see what it may do. */
async function build(): Promise<Outcome> {
  const built = await check(bun, "build.ts");
  const probe = "tests/probe/probe.zig";
  if (built.failed > 0 || !existsSync(join(root, probe))) return built;
  const cpu = process.arch === "x64" ? "x86_64" : "aarch64";
  const flags = ["-target", `${cpu}-linux-none`, "-OReleaseSmall", "-fstrip", "-fsingle-threaded"];
  const emit = ["-femit-bin=dist/probe", ...caches];
  return sum([built, await check(findZig(), "build-exe", probe, ...flags, ...emit)]);
}

/** The parsers of both languages, for a bounded time, on a corpus that keeps every bug found. */
async function fuzz(): Promise<Outcome> {
  const fuzzer = ".zig-cache/fuzz";
  const safe = ["-OReleaseSafe", "-fsingle-threaded", `-femit-bin=${fuzzer}`, ...caches];
  const outcomes = [
    await check(bun, "tests/fuzz/run.ts"),
    await check(findZig(), "build-exe", "helper-zig/src/fuzz.zig", ...safe),
  ];
  if (sum(outcomes).failed > 0) return sum(outcomes);
  return sum([...outcomes, await check(join(root, fuzzer), "helper-zig/testdata")]);
}

/** Dependencies and Zig; and the helper, which sources import, so that types and units need it. */
const setUp: Stage = { name: "set-up", run: () => check(bun, "build.ts", "--embed") };

const stages: readonly Stage[] = [
  { name: "lint", run: () => check(bun, "x", "biome", "check", "--error-on-warnings", ".") },
  { name: "types", run: () => check(bun, "x", "tsc", "--noEmit") },
  { name: "tidy", run: () => bunTest([bun, "test", "--only-failures", "./tests/tidy.test.ts"]) },
  { name: "src", run: unitTests },
  { name: "helper-zig", run: zigTests },
  { name: "fuzz", run: fuzz },
  { name: "build", run: build },
  { name: "smoke", run: () => bunTest([bun, "test", "--only-failures", "./tests/smoke/"]) },
];

/** The stages a filter asks for: those its first folder names, and the build that e2e needs. */
function selectStages(filter: string): readonly Stage[] {
  const usual = [...stages, ...e2eStages(root)];
  const all = [...usual, vmStage(root)];
  const [first = ""] = filter.replace(/^(\.\/)?(tests\/)?/, "").split("/");
  if (first === "") return process.env.HB_TEST_VM === "1" ? all : usual;
  const chosen = all.filter(({ name }) => name.split(" ")[0] === first);
  if (chosen.length === 0) throw new Error(`no stage has "${filter}"`);
  return ["e2e", "smoke", "vm"].includes(first) ? [...stages.filter(isBuild), ...chosen] : chosen;
}

function isBuild({ name }: Stage): boolean {
  return name === "build";
}

async function runStage(stage: Stage, filter: string): Promise<Outcome> {
  const started = performance.now();
  const outcome = await stage.run(isBuild(stage) ? "" : filter).catch((error: unknown) => {
    const output = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { passed: 0, failed: 1, skipped: 0, output };
  });
  const { passed, failed, skipped, output } = outcome;
  const seconds = `${((performance.now() - started) / 1000).toFixed(1)} s`;
  const counts = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  const mark = failed > 0 ? "FAIL" : skipped > 0 ? "skip" : "ok";
  console.log(`${mark.padEnd(5)}${stage.name.padEnd(16)}${counts.padEnd(36)}${seconds}`);
  if (failed + skipped > 0) console.log(output.trimEnd());
  return outcome;
}

async function main(argv: readonly string[]): Promise<number> {
  const mustWork = argv.includes("--must-work") || process.env.HB_TEST_MUST_WORK === "1";
  const [filter = "", second] = argv.filter((argument) => !argument.startsWith("-"));
  if (second !== undefined) throw new Error(`one filter at a time: "${second}" is left`);
  const outcomes = [await runStage(setUp, filter)];
  for (const stage of selectStages(filter)) {
    const outcome = await runStage(stage, filter);
    outcomes.push(outcome);
    if (isBuild(stage) && outcome.failed > 0) break;
  }
  const { passed, failed, skipped } = sum(outcomes);
  if (skipped > 0) console.log(`! ${skipped} tests could not run on this machine: see above`);
  const bad = failed + (mustWork ? skipped : 0);
  console.log(
    `${passed} passed, ${bad} failed${skipped > 0 && !mustWork ? `, ${skipped} skipped` : ""}`,
  );
  return bad > 0 ? 1 : 0;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
