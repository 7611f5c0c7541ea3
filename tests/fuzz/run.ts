/**
 * Fuzzes the TypeScript parsers that read what strangers wrote, for a bounded time:
 *
 *     bun tests/fuzz/run.ts [--seconds N] [--seed N] [TARGET]...
 *
 * Inputs are mutations of `corpus/TARGET/*` and pieces of each grammar. A failing input is printed
 * with its seed, added to the corpus, and makes the exit status 1; every run replays the corpus.
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "./random.ts";
import { type Target, targets } from "./targets.ts";

const { values, positionals } = parseArgs({
  options: {
    seconds: { type: "string", default: "5" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
  allowPositionals: true,
});

const corpusDirectory = join(import.meta.dir, "corpus");
const chosen = positionals.length === 0 ? Object.keys(targets) : positionals;
const msEach = (Number(values.seconds) * 1000) / chosen.length;
let failed = 0;
for (const name of chosen) {
  const target = targets[name];
  if (target === undefined) throw new Error(`unknown target ${name}`);
  if (!fuzz(name, target)) failed++;
}
process.stdout.write(`${chosen.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

/** Whether `target` kept its promises for its share of the time. */
function fuzz(name: string, target: Target): boolean {
  const corpus = readCorpus(name);
  const random = new Random(Number(values.seed));
  const end = performance.now() + msEach;
  let runs = 0;
  for (let i = 0; i < corpus.length || performance.now() < end; i++) {
    const replayed = corpus[i];
    const input = replayed ?? random.mutate(random.pick(corpus), target.pieces);
    const broken = breaks(target, input);
    runs++;
    if (broken === undefined) continue;
    const shown = JSON.stringify(input.toString("latin1"));
    process.stdout.write(`${name}: ${broken}\n  seed ${values.seed}, input ${shown}\n`);
    if (replayed === undefined) keep(name, input);
    return false;
  }
  process.stdout.write(`${name}: ${runs} inputs, seed ${values.seed}\n`);
  return true;
}

/** Which promise `input` breaks. */
function breaks(target: Target, input: Buffer): string | undefined {
  const started = performance.now();
  try {
    target.check(input);
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const ms = performance.now() - started;
  // Far beyond any pause of the machine: only a pattern that backtracks takes this long.
  return ms > 2000 ? `took ${Math.round(ms)} ms` : undefined;
}

function readCorpus(name: string): readonly Buffer[] {
  const directory = join(corpusDirectory, name);
  mkdirSync(directory, { recursive: true });
  const files = readdirSync(directory).sort();
  return files.length === 0
    ? [Buffer.of()]
    : files.map((file) => readFileSync(join(directory, file)));
}

function keep(name: string, input: Buffer): void {
  const digest = new Bun.CryptoHasher("sha256").update(input).digest("hex");
  writeFileSync(join(corpusDirectory, name, `found-${digest.slice(0, 16)}`), input);
}
