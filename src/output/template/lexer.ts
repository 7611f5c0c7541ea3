/**
 * A template's text as tokens: what stands outside of `{{ }}`, and the words inside.
 *
 * Follows the text/template documentation: "Text and spaces", and Go's own literals
 * (go.dev/ref/spec, "Rune literals", "String literals", "Integer literals"). No imaginary numbers.
 */

import { TemplateFault } from "./fault.ts";

/** `symbol` is one of `. , | ( ) := =`. */
export interface Token {
  readonly kind:
    | ("text" | "open" | "close" | "end of template")
    | ("field" | "variable" | "word" | "constant" | "symbol");
  readonly at: number;
  /** As written; of a field without its dot; of text without what trim markers take. */
  readonly text: string;
  /** A constant's value. */
  readonly value?: string | number;
  /** White space stands before it: `.a .b` are two operands, `.a.b` is one. */
  readonly spaced: boolean;
}

/**
 * The tokens of `template` from `start` on. `escapes`: a backslash and t or n in the text mean tab
 * and newline.
 */
export function lex(template: string, start: number, escapes: boolean): Token[] {
  return new Lexer(template, start, escapes).tokens();
}

const symbols = /:=|[.,|()=]/y;
const names = [
  ["field", /\.[\p{L}_][\p{L}\p{N}_]*/uy],
  ["variable", /\$[\p{L}\p{N}_]*/uy],
  ["word", /[\p{L}_][\p{L}\p{N}_]*/uy],
] as const;
const numbers =
  /[+-]?(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:[\d_]*\.)?\d[\d_]*\.?(?:[eE][+-]?\d+)?)/y;
const numberStart = /[+-]?\.?\d/y;
const quoted = /"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])+'|`[^`]*`/y;
const closing = /(?:[ \t\r\n]+-)?\}\}/y;
const comment = /\/\*[\s\S]*?\*\//y;
const space = /[ \t\r\n]+/y;
/** What may follow a name without a space between. */
const terminator = /[ \t\r\n.,|:()]|\}\}|$/y;

class Lexer {
  readonly #found: Token[] = [];
  #at: number;
  #spaced = false;
  /** `-}}` was the last: white space that follows is nothing. */
  #trim = false;

  constructor(
    readonly template: string,
    start: number,
    readonly escapes: boolean,
  ) {
    this.#at = start;
  }

  tokens(): Token[] {
    while (this.#at < this.template.length) {
      const open = this.template.indexOf("{{", this.#at);
      this.#text(open < 0 ? this.template.length : open);
      if (open >= 0) this.#action(open);
    }
    this.#push("end of template", this.#at, "");
    return this.#found;
  }

  #text(end: number): void {
    const written = this.template.slice(this.#at, end);
    let text = this.escapes ? written.replace(/\\[tn]/g, unescapeText) : written;
    if (this.#trim) text = text.replace(/^[ \t\r\n]+/, "");
    if (/^\{\{-[ \t\r\n]/.test(this.template.slice(end, end + 4))) {
      text = text.replace(/[ \t\r\n]+$/, "");
    }
    if (text !== "") this.#push("text", this.#at, text);
    this.#at = end;
  }

  /** From `{{` to behind `}}`. */
  #action(open: number): void {
    const trims = /^\{\{-[ \t\r\n]/.test(this.template.slice(open, open + 4));
    this.#at = open + (trims ? 3 : 2);
    const body = this.#at;
    this.#take(space);
    if (this.template.startsWith("/*", this.#at)) {
      this.#comment();
      return;
    }
    this.#at = body;
    this.#push("open", open, "{{");
    for (;;) {
      const at = this.#at;
      const close = this.#take(closing);
      if (close !== undefined) {
        this.#trim = close.length > 2;
        this.#push("close", at, "}}");
        return;
      }
      this.#spaced = this.#take(space) !== undefined;
      if (this.#at >= this.template.length) {
        throw new TemplateFault("this {{ is not closed by }}", open);
      }
      // Space before `}}` or ` -}}` belongs to that.
      if (this.template.startsWith("}}", this.#at)) continue;
      if (this.#spaced && this.template.startsWith("-}}", this.#at)) {
        this.#at = at;
        continue;
      }
      this.#inside();
    }
  }

  #comment(): void {
    const at = this.#at;
    if (this.#take(comment) === undefined) {
      throw new TemplateFault("this comment is not closed by */", at);
    }
    const close = this.#take(closing);
    if (close === undefined) throw new TemplateFault("only }} may follow a comment", this.#at);
    this.#trim = close.length > 2;
  }

  /** One token inside an action. */
  #inside(): void {
    const at = this.#at;
    if (this.#take(numberStart) !== undefined) {
      this.#number(at);
      return;
    }
    if (/["'`]/.test(this.template[at] ?? "")) {
      this.#quoted();
      return;
    }
    for (const [kind, pattern] of names) {
      const text = this.#take(pattern);
      if (text === undefined) continue;
      this.#checkTerminator();
      this.#push(kind, at, kind === "field" ? text.slice(1) : text);
      return;
    }
    const symbol = this.#take(symbols);
    if (symbol === undefined) throw this.#strange();
    this.#push("symbol", at, symbol);
  }

  #checkTerminator(): void {
    const end = this.#at;
    if (this.#take(terminator) === undefined) throw this.#strange();
    this.#at = end;
  }

  #number(at: number): void {
    this.#at = at;
    const text = this.#take(numbers);
    const value = text === undefined ? Number.NaN : parseNumber(text);
    if (Number.isNaN(value) || /[\p{L}\p{N}_]/u.test(this.template[this.#at] ?? "")) {
      const [written = ""] = /^[+-]?[\p{L}\p{N}_.]*/u.exec(this.template.slice(at)) ?? [];
      throw new TemplateFault(`${written} is no number`, at);
    }
    this.#push("constant", at, text ?? "", value);
  }

  #quoted(): void {
    const at = this.#at;
    const quote = this.template[at] ?? "";
    const text = this.#take(quoted);
    if (text === undefined) throw new TemplateFault(`this ${quote} is not closed by another`, at);
    const inner = text.slice(1, -1);
    const value = quote === "`" ? inner.replaceAll("\r", "") : unquote(inner, quote, at + 1);
    const isCharacter = quote === "'";
    if (isCharacter && [...value].length !== 1) {
      throw new TemplateFault(`${text} is not one character`, at);
    }
    this.#push("constant", at, text, isCharacter ? (value.codePointAt(0) ?? 0) : value);
  }

  #strange(): TemplateFault {
    const character = String.fromCodePoint(this.template.codePointAt(this.#at) ?? 0);
    return new TemplateFault(`${JSON.stringify(character)} cannot stand here`, this.#at);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.template);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match[0];
  }

  #push(kind: Token["kind"], at: number, text: string, value?: string | number): void {
    const token = { kind, at, text, spaced: this.#spaced };
    this.#found.push(value === undefined ? token : { ...token, value });
    this.#spaced = false;
  }
}

function unescapeText(written: string): string {
  return written === "\\t" ? "\t" : "\n";
}

function parseNumber(text: string): number {
  const sign = text.startsWith("-") ? -1 : 1;
  const digits = text.replace(/^[+-]/, "").replaceAll("_", "");
  return sign * (/^0\d+$/.test(digits) ? Number(`0o${digits.slice(1)}`) : Number(digits));
}

const letters: Readonly<Record<string, string>> = {
  ...{ a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v", "\\": "\\" },
};

/** Go's escapes in a literal between two `quote`s; `\x` and octal ones are bytes below 0x80. */
function unquote(inner: string, quote: string, at: number): string {
  const written = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|([\s\S]))/g;
  return inner.replace(written, (text, x, u, long, octal, letter, offset: number) => {
    const hexadecimal: string | undefined = x ?? u ?? long;
    if (letter === quote) return quote;
    if (letter !== undefined && Object.hasOwn(letters, letter)) return letters[letter] ?? "";
    const code = letter === undefined ? Number.parseInt(hexadecimal ?? octal, octal ? 8 : 16) : -1;
    if (code >= 0 && code <= 0x10ffff) return String.fromCodePoint(code);
    throw new TemplateFault(`${text} is no escape in ${quote}${quote}`, at + offset);
  });
}
