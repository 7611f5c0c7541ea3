/**
 * The grammar of flags, exactly as docker's (github.com/spf13/pflag): `--name value`,
 * `--name=value`, `-x value`, `-xvalue`, `-x=value`, clusters of switches (`-it`), `--` to end
 * them.
 *
 * A flag that takes a value takes the next argument whatever it looks like; a switch takes one only
 * after `=`. minimist knows neither rule: it reads `-eA=b` as the flags e, A and `--name -x` as two
 * flags, so wrapping it would mean writing this first.
 */

import { UsageError } from "../errors.ts";

/** How one flag is written and what its values may be. */
export interface Flag {
  /** Without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** Another spelling docker has kept. */
  readonly alias?: string;
  /** `switch` is a boolean; `one` keeps the last value; `many` collects them. */
  readonly kind: "switch" | "one" | "many";
  /** A switch's or value's default. */
  readonly otherwise?: boolean | string;
  /** A switch that is undefined where it is not given. */
  readonly mayBeAbsent?: true;
  /** The value of one that is written without `=`: then it takes no other word. */
  readonly bare?: string;
  /** The only values there are. */
  readonly choices?: readonly string[];
}

/** A flag that may be repeated. */
export function many(name: string, short?: string): Flag {
  return short === undefined ? { name, kind: "many" } : { name, short, kind: "many" };
}

/** A flag with one value. */
export function one(name: string, short?: string): Flag {
  return short === undefined ? { name, kind: "one" } : { name, short, kind: "one" };
}

/** A flag without a value. */
export function toggle(name: string, short?: string): Flag {
  return short === undefined ? { name, kind: "switch" } : { name, short, kind: "switch" };
}

/** One command's flags, by the option they fill. */
export type FlagTable<Options> = { readonly [Key in keyof Options]-?: Flag };

/** What parsing gives: the options, and the arguments that are no flags. */
export interface Parsed<Options> {
  readonly options: Options;
  readonly rest: readonly string[];
  /** `--help` was there; the rest was not looked at. */
  readonly help: boolean;
}

export interface FlagRules {
  /** For messages: `hb run`. */
  readonly command: string;
  /** The first argument that is no flag ends them (pflag's SetInterspersed(false)). */
  readonly stopEarly: boolean;
  /** Says more about a flag that is not in the table. */
  readonly explainUnknown: (flag: string, known: readonly string[]) => string;
}

type Values = Record<string, boolean | string | string[] | undefined>;

/** Reads `argv` by `table`. */
export function parseFlags<Options>(
  table: FlagTable<Options>,
  argv: readonly string[],
  rules: FlagRules,
): Parsed<Options> {
  const known = Object.entries(table) as [string, Flag][];
  const values: Values = {};
  for (const [key, flag] of known) values[key] = defaultOf(flag);
  const rest: string[] = [];
  const reader = new Reader(argv, known, values, rules);
  for (let argument = reader.next(); argument !== undefined; argument = reader.next()) {
    if (argument === "--") {
      rest.push(...reader.remaining());
      break;
    }
    if (!argument.startsWith("-") || argument === "-") {
      rest.push(argument);
      if (!rules.stopEarly) continue;
      rest.push(...reader.remaining());
      break;
    }
    const help = argument.startsWith("--") ? reader.long(argument) : reader.cluster(argument);
    if (help) return { options: values as Options, rest: [], help: true };
  }
  // The table's type says that every option is filled with its own kind of value.
  return { options: values as Options, rest, help: false };
}

function defaultOf(flag: Flag): boolean | string | string[] | undefined {
  if (flag.kind === "many") return [];
  const isSet = flag.kind === "switch" && flag.mayBeAbsent !== true;
  return flag.otherwise ?? (isSet ? false : undefined);
}

class Reader {
  #at = 0;

  constructor(
    readonly argv: readonly string[],
    readonly known: readonly [string, Flag][],
    readonly values: Values,
    readonly rules: FlagRules,
  ) {}

  next(): string | undefined {
    return this.argv[this.#at++];
  }

  remaining(): readonly string[] {
    return this.argv.slice(this.#at);
  }

  /** `--name`, `--name=value` or `--name value`; true for `--help`. */
  long(argument: string): boolean {
    const [, name = "", value] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(argument) ?? [];
    const found = this.known.find(([, flag]) => flag.name === name || flag.alias === name);
    if (found === undefined) {
      if (name === "help" && value === undefined) return true;
      throw this.#unknown(`--${name}`);
    }
    this.#set(found, `--${name}`, value);
    return false;
  }

  /** `-x`, `-xyz`, `-xVALUE`, `-x=VALUE`; true for a `-h` that is no flag of this command. */
  cluster(argument: string): boolean {
    for (let letters = argument.slice(1); letters !== ""; ) {
      const letter = letters[0] ?? "";
      const after = letters.slice(1);
      const found = this.known.find(([, flag]) => flag.short === letter);
      if (found === undefined) {
        if (letter === "h") return true;
        throw this.#unknown(argument === `-${letter}` ? argument : `-${letter} in ${argument}`);
      }
      if (after.startsWith("=")) {
        this.#set(found, `-${letter}`, after.slice(1));
        return false;
      }
      const isSwitch = found[1].kind === "switch";
      this.#set(found, `-${letter}`, isSwitch || after === "" ? undefined : after);
      letters = isSwitch ? after : "";
    }
    return false;
  }

  #set([key, flag]: readonly [string, Flag], written: string, attached: string | undefined): void {
    if (flag.kind === "switch") {
      this.values[key] = parseSwitch(written, attached ?? "true", this.rules.command);
      return;
    }
    const value = attached ?? flag.bare ?? this.next();
    if (value === undefined) {
      throw new UsageError(`Cannot read ${this.rules.command}: ${written} needs a value`, {
        hint: `see '${seeHelp(this.rules.command)}'`,
      });
    }
    if (flag.choices !== undefined && !flag.choices.includes(value)) {
      throw new UsageError(`Cannot use ${written} ${JSON.stringify(value)}`, {
        hint: `use one of: ${flag.choices.join(", ")}`,
      });
    }
    const held = this.values[key];
    if (Array.isArray(held)) held.push(value);
    else this.values[key] = value;
  }

  #unknown(flag: string): UsageError {
    const names = this.known.flatMap(([, { name, short }]) =>
      short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`],
    );
    return new UsageError(`${this.rules.command} has no flag ${flag}`, {
      hint: this.rules.explainUnknown(flag, names),
    });
  }
}

/** `hb run` is explained by `hb help run`. */
export function seeHelp(command: string): string {
  return command.replace(/^hb ?/, "hb help ").trimEnd();
}

/** Go's strconv.ParseBool, as pflag has it. */
function parseSwitch(written: string, value: string, command: string): boolean {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(value)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(value)) return false;
  throw new UsageError(`Cannot use ${written}=${value} in ${command}`, {
    hint: `write ${written}=true or ${written}=false`,
  });
}
