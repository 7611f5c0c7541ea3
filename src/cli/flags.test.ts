/** The grammar of flags, case by case against pflag's rules. */

import { describe, expect, test } from "bun:test";
import { type Flag, type FlagTable, parseFlags } from "./flags.ts";

interface Options {
  readonly env: readonly string[];
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly rm: boolean;
  readonly name?: string;
  readonly locked?: string;
}

const table: FlagTable<Options> = {
  env: { name: "env", short: "e", kind: "many" },
  interactive: { name: "interactive", short: "i", kind: "switch" },
  tty: { name: "tty", short: "t", kind: "switch" },
  rm: { name: "rm", kind: "switch", otherwise: true },
  name: { name: "name", kind: "one" } satisfies Flag,
  locked: { name: "locked", kind: "one", bare: "here" },
};

function parse(...argv: string[]) {
  const explainUnknown = () => "";
  return parseFlags(table, argv, { command: "hb run", stopEarly: true, explainUnknown });
}

describe("parseFlags() reads as pflag does", () => {
  const values: [string, string[], Partial<Options>, string[]][] = [
    ["a value after a blank", ["--env", "A=b", "x"], { env: ["A=b"] }, ["x"]],
    ["a value after =", ["--env=A=b=c", "x"], { env: ["A=b=c"] }, ["x"]],
    ["a short flag's value attached", ["-eA=b", "x"], { env: ["A=b"] }, ["x"]],
    ["a short flag's value after =", ["-e=A", "x"], { env: ["A"] }, ["x"]],
    ["a short flag's value after a blank", ["-e", "A", "x"], { env: ["A"] }, ["x"]],
    ["an empty value", ["--name=", "x"], { name: "" }, ["x"]],
    ["a value that begins with a dash", ["--name", "-x", "y"], { name: "-x" }, ["y"]],
    ["a value that is two dashes", ["--name", "--", "y"], { name: "--" }, ["y"]],
    ["a number as text", ["--name", "007"], { name: "007" }, []],
    ["dots and equals in a value", ["-e", "a.b=1.0"], { env: ["a.b=1.0"] }, []],
    ["a new line in a value", ["--env=A=1\n2"], { env: ["A=1\n2"] }, []],
    ["a cluster of switches", ["-it"], { interactive: true, tty: true }, []],
    ["a cluster ending in a value", ["-iteA"], { interactive: true, env: ["A"] }, []],
    ["a cluster ending in a value apart", ["-ie", "A"], { interactive: true, env: ["A"] }, []],
    ["a switch with a value", ["--rm=false", "-t=1"], { rm: false, tty: true }, []],
    ["no value for a switch after a blank", ["-t", "false"], { tty: true }, ["false"]],
    ["a repeated flag", ["-e", "A", "--env", "B"], { env: ["A", "B"] }, []],
    ["the last of two values", ["--name", "a", "--name=b"], { name: "b" }, []],
    ["two dashes as the end of flags", ["-t", "--", "-e", "x"], { tty: true }, ["-e", "x"]],
    ["the first word as the end of flags", ["x", "-t", "--", "y"], {}, ["x", "-t", "--", "y"]],
    ["no word for a flag that may stand bare", ["--locked", "x"], { locked: "here" }, ["x"]],
    ["a value after = for it", ["--locked=there", "x"], { locked: "there" }, ["x"]],
    ["a lone dash as a word", ["-", "-t"], {}, ["-", "-t"]],
  ];
  for (const [what, argv, options, rest] of values) {
    test(what, () => {
      const parsed = parse(...argv);
      expect(parsed.options).toMatchObject(options);
      expect(parsed.rest).toEqual(rest);
    });
  }
});

describe("parseFlags() refuses", () => {
  const errors: [string, string[], RegExp][] = [
    ["a flag without its value", ["--name"], /--name needs a value/],
    ["a short flag without its value", ["-te"], /-e needs a value/],
    ["an unknown flag", ["--no-rm"], /has no flag --no-rm/],
    ["an unknown letter in a cluster", ["-tx"], /has no flag -x in -tx/],
    ["a switch that is neither true nor false", ["--rm=maybe"], /Cannot use --rm=maybe/],
  ];
  for (const [what, argv, message] of errors) {
    test(what, () => expect(() => parse(...argv)).toThrow(message));
  }
});

test("parseFlags() stops at --help, whatever follows", () => {
  expect(parse("-t", "--help", "--unknown").help).toBe(true);
});
