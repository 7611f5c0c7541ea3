/**
 * `WWW-Authenticate` as challenges. Pure.
 *
 * RFC 9110 sections 11.2 and 11.6.1: one header may hold several challenges, separated by the same
 * commas that separate a challenge's parameters:
 *
 *     challenge  = scheme [ 1*SP ( token68 / #param ) ]
 *     param      = token BWS "=" BWS ( token / quoted-string )
 */

import { HbError } from "../errors.ts";

export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Parameter names in lower case; the first of a repeated name counts. */
  readonly params: ReadonlyMap<string, string>;
  readonly token68?: string;
}

/** Longest header read: no honest registry comes near, and the parser's time stays bounded. */
const headerLengthMax = 16 * 1024;

const tokenPattern = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const token68Pattern = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const spacePattern = /[ \t]*/y;

/** The challenges in `header`, in order. What is not by the grammar is refused, never guessed. */
export function parseChallenges(header: string): readonly Challenge[] {
  if (header.length > headerLengthMax) throw refuse("it is too long");
  const input = new Scanner(header);
  const challenges: Challenge[] = [];
  input.skipSeparators();
  while (!input.done) {
    challenges.push(readChallenge(input));
    input.skipSeparators();
  }
  return challenges;
}

function readChallenge(input: Scanner): Challenge {
  const scheme = input.take(tokenPattern).toLowerCase();
  if (scheme === "") throw refuse(`expected a scheme at position ${input.position + 1}`);
  const params = new Map<string, string>();
  const isAlone = input.take(spacePattern) === "";
  if (isAlone || input.done || input.peek() === ",") {
    if (!input.done && input.peek() !== ",") {
      throw refuse(`expected a space or a comma at position ${input.position + 1}`);
    }
    // A parameter cannot follow a bare scheme's comma: the next word is the next scheme.
    return { scheme, params };
  }
  const first = readParam(input);
  if (first === undefined) {
    const token68 = input.take(token68Pattern);
    if (token68 === "") throw refuse(`expected a parameter at position ${input.position + 1}`);
    return { scheme, params, token68 };
  }
  for (let param: Param | undefined = first; param !== undefined; ) {
    if (!params.has(param.name)) params.set(param.name, param.value);
    const end = input.position;
    param = input.skipSeparators() ? readParam(input) : undefined;
    // Not a parameter: the next challenge's scheme, left for the caller.
    if (param === undefined) input.position = end;
  }
  input.take(spacePattern);
  if (!input.done && input.peek() !== ",") {
    throw refuse(`expected a comma at position ${input.position + 1}`);
  }
  return { scheme, params };
}

interface Param {
  readonly name: string;
  readonly value: string;
}

/** One `name=value`, or undefined and nothing consumed. */
function readParam(input: Scanner): Param | undefined {
  const start = input.position;
  const name = input.take(tokenPattern).toLowerCase();
  input.take(spacePattern);
  if (name === "" || input.peek() !== "=") {
    input.position = start;
    return undefined;
  }
  input.position++;
  input.take(spacePattern);
  if (input.peek() === '"') return { name, value: readQuoted(input) };
  const value = input.take(tokenPattern);
  if (value !== "") return { name, value };
  // `dG9rZW4=` reads like a parameter without a value, but is a token68.
  input.position = start;
  return undefined;
}

/** A quoted-string; a backslash takes the next character as it is. */
function readQuoted(input: Scanner): string {
  let value = "";
  for (input.position++; !input.done; input.position++) {
    if (input.peek() === '"') {
      input.position++;
      return value;
    }
    if (input.peek() === "\\") input.position++;
    value += input.peek();
  }
  throw refuse("a quoted string does not end");
}

class Scanner {
  position = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.position >= this.#text.length;
  }

  /** The next character; "" at the end. */
  peek(): string {
    return this.#text.charAt(this.position);
  }

  /** What the sticky `pattern` matches here, consumed; "" if it does not. */
  take(pattern: RegExp): string {
    pattern.lastIndex = this.position;
    const text = pattern.exec(this.#text)?.[0] ?? "";
    this.position += text.length;
    return text;
  }

  /** Commas and spaces between list members; whether there was a comma. */
  skipSeparators(): boolean {
    const start = this.position;
    while (/^[, \t]$/.test(this.peek())) this.position++;
    return this.#text.slice(start, this.position).includes(",");
  }
}

function refuse(why: string): HbError {
  return new HbError(`Cannot read the registry's WWW-Authenticate header: ${why}`);
}
