/**
 * What the test command's stages are made of: run a program, count what it says, add it up.
 */

import { join } from "node:path";

/** What one stage found. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Shown when something failed or was skipped. */
  readonly output: string;
}

/** `filter` is the part of a file's path that was asked for, or empty. */
export interface Stage {
  readonly name: string;
  readonly run: (filter: string) => Promise<Outcome>;
}

/** What a program printed and how it ended. */
export async function capture(argv: readonly string[], options: CaptureOptions = {}) {
  const { cwd = join(import.meta.dir, "../.."), env = process.env } = options;
  const child = Bun.spawn([...argv], { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { status: await child.exited, output: out + err };
}

export interface CaptureOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A program that passes or fails as one. */
export async function check(...argv: string[]): Promise<Outcome> {
  const { status, output } = await capture(argv);
  return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0, output };
}

/** `bun test` counted from its summary; an error outside any test counts as a failure. */
export async function bunTest(argv: readonly string[], options: CaptureOptions = {}) {
  return countBunTests(await capture(argv, options));
}

function countBunTests({ status, output }: { status: number; output: string }): Outcome {
  const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1]);
  const [passed, failed, errors] = [count("pass") || 0, count("fail") || 0, count("errors?") || 0];
  const bad = failed + errors;
  const skipped = count("skip") || 0;
  return { passed, failed: status === 0 ? bad : Math.max(1, bad), skipped, output };
}

/** Several outcomes as one; only the bad ones keep their output. */
export function sum(outcomes: readonly Outcome[]): Outcome {
  const total = (key: "passed" | "failed" | "skipped") =>
    outcomes.reduce((sum, outcome) => sum + outcome[key], 0);
  const texts = outcomes.filter(({ failed, skipped }) => failed + skipped > 0);
  const output = texts.map((outcome) => outcome.output).join("\n");
  return { passed: total("passed"), failed: total("failed"), skipped: total("skipped"), output };
}
