/**
 * Tokens -> nodes, as the text/template documentation has them ("Actions", "Pipelines",
 * "Variables"). Names of functions, variables and a listing's fields are checked here, so that a
 * typo is found before anything is printed. `define`, `template` and `block` are left out: there
 * is one template in a `--format`.
 */

import { nearest } from "../../nearest.ts";
import { TemplateFault } from "./fault.ts";
import { lex, type Token } from "./lexer.ts";
import type { Base, Block, Command, Node, Operand, Pipe } from "./nodes.ts";

/** What names in a template may be. */
export interface Names {
  readonly functions: Iterable<string>;
  /** Fields of the value that the template is given; absent: whatever it has then. */
  readonly fields?: readonly string[];
}

/** `text` from `start` on. A listing's (one with `fields`) has `\t` and `\n` in its text. */
export function parseTemplate(text: string, start: number, names: Names): readonly Node[] {
  return new Parser(lex(text, start, names.fields !== undefined), names).template();
}

/** The fault of naming a field that is not there. */
export function unknownField(name: string, at: number, fields: readonly string[]): TemplateFault {
  const meant = nearest(name, fields);
  const all = fields.length === 0 ? "it has none" : `the fields are ${fields.join(", ")}`;
  const hint = meant === undefined ? all : `did you mean .${meant}?`;
  return new TemplateFault(`there is no field .${name}`, at, hint);
}

/** Blocks and parentheses inside each other: far more than anybody writes, and within the stack. */
const depthMax = 200;

const unsupported = ["define", "template", "block"];

/** How a list of nodes ended. */
interface List {
  readonly nodes: readonly Node[];
  /** `end`, `else` or the end of the template. */
  readonly stop: Token;
}

class Parser {
  #next = 0;
  #variables: string[] = ["$"];
  #ranges = 0;
  #depth = 0;
  /** Dot is the template's own value: not in a `range` or `with`. */
  #dotIsRoot = true;

  constructor(
    readonly tokens: readonly Token[],
    readonly names: Names,
  ) {}

  template(): readonly Node[] {
    const { nodes, stop } = this.#list();
    if (stop.kind === "end of template") return nodes;
    throw new TemplateFault(`{{${stop.text}}} has no if, with or range before it`, stop.at);
  }

  #list(): List {
    const nodes: Node[] = [];
    for (;;) {
      const token = this.#take();
      if (token.kind === "end of template") return { nodes, stop: token };
      if (token.kind === "text") {
        nodes.push({ kind: "text", text: token.text });
        continue;
      }
      const word = this.#peek();
      if (isWord(word, "end", "else")) return { nodes, stop: this.#take() };
      nodes.push(this.#action());
    }
  }

  /** What stands behind `{{`, and for blocks everything to their end. */
  #action(): Node {
    const word = this.#peek();
    if (isWord(word, "if", "with", "range")) {
      this.#take();
      return this.#block(word.text);
    }
    if (isWord(word, "break", "continue")) {
      this.#take();
      if (this.#ranges === 0) throw new TemplateFault(`{{${word.text}}} is in no range`, word.at);
      this.#close(word.text);
      return { kind: word.text };
    }
    if (word.kind === "word" && unsupported.includes(word.text)) {
      throw new TemplateFault(`{{${word.text}}} is not supported`, word.at);
    }
    const pipe = this.#pipe("{{ }}");
    this.#close("a command");
    return { kind: "action", pipe };
  }

  /** Behind the word `kind`. Variables made in a block end with it. */
  #block(kind: Block["kind"]): Block {
    const outer = this.#variables.length;
    const wasRoot = this.#dotIsRoot;
    this.#enter();
    const pipe = this.#pipe(kind);
    const inner = this.#variables.length;
    this.#close(kind);
    if (kind !== "if") this.#dotIsRoot = false;
    if (kind === "range") this.#ranges++;
    const { nodes: body, stop } = this.#list();
    if (kind === "range") this.#ranges--;
    this.#dotIsRoot = wasRoot;
    this.#variables.length = inner;
    const otherwise = isWord(stop, "else")
      ? this.#otherwise(kind, pipe.at)
      : this.#end(stop, kind, pipe.at);
    this.#variables.length = outer;
    this.#depth--;
    return { kind, pipe, body, otherwise };
  }

  /** Behind `else`: an `if` or `with` that shares the end, or a list of its own. */
  #otherwise(kind: string, at: number): readonly Node[] {
    const word = this.#peek();
    if (isWord(word, "if", "with") && kind !== "range") {
      this.#take();
      return [this.#block(word.text)];
    }
    this.#close("else");
    const { nodes, stop } = this.#list();
    this.#end(stop, kind, at);
    return nodes;
  }

  #end(stop: Token, kind: string, at: number): readonly Node[] {
    if (stop.kind === "end of template") {
      throw new TemplateFault(`this ${kind} has no {{end}}`, at);
    }
    if (stop.text === "else") throw new TemplateFault("this has an {{else}} already", stop.at);
    this.#close("end");
    return [];
  }

  #pipe(context: string): Pipe {
    const { at } = this.#peek();
    const { names, assigns } = this.#declaration(context);
    const commands = [this.#command(context)];
    while (this.#takeSymbol("|")) commands.push(this.#command("|"));
    for (const { first } of commands.slice(1)) {
      if (first.base.kind !== "constant" && first.base.kind !== "nil") continue;
      throw new TemplateFault("a value can stand only first in a pipeline", first.at);
    }
    if (!assigns) this.#variables.push(...names);
    return { at, names, assigns, commands };
  }

  /** `$x :=`, `$x =` and, in a range, `$x, $y :=`; nothing where there is none. */
  #declaration(context: string): Pick<Pipe, "names" | "assigns"> {
    const [first, second, third, fourth] = this.tokens.slice(this.#next, this.#next + 4);
    const none = { names: [], assigns: false };
    if (first?.kind !== "variable") return none;
    const two = isSymbol(second, ",") && third?.kind === "variable";
    const sign = two ? fourth : second;
    if (two && isSymbol(fourth, ",")) {
      throw new TemplateFault("a range has two variables at most", fourth.at);
    }
    if (!isSymbol(sign, ":=", "=")) return none;
    if (two && context !== "range") {
      throw new TemplateFault("only a range has two variables", third.at);
    }
    const variables = two ? [first, third] : [first];
    this.#next += two ? 4 : 2;
    const assigns = sign.text === "=";
    if (assigns) for (const variable of variables) this.#checkVariable(variable);
    return { names: variables.map(({ text }) => text), assigns };
  }

  #command(context: string): Command {
    const { at } = this.#peek();
    const operands: Operand[] = [];
    for (;;) {
      const { spaced } = this.#peek();
      const operand = this.#operand();
      if (operand === undefined) break;
      if (operands.length > 0 && !spaced) {
        throw new TemplateFault("a space is missing before this", operand.at);
      }
      operands.push(operand);
    }
    const [first, ...args] = operands;
    if (first !== undefined) return { first, args };
    const token = this.#peek();
    const end = token.kind === "close" || isSymbol(token, "|", ")");
    throw end
      ? new TemplateFault(`${context} needs a value`, at)
      : new TemplateFault(`"${token.text}" cannot stand here`, token.at);
  }

  /** A term and the fields behind it, or undefined where none begins. */
  #operand(): Operand | undefined {
    const { at, kind, text } = this.#peek();
    const base = this.#base();
    if (base === undefined) return undefined;
    const path = kind === "field" ? [text] : [];
    for (let next = this.#peek(); next.kind === "field" && !next.spaced; next = this.#peek()) {
      path.push(this.#take().text);
    }
    const isPlain = text === "." || ["constant", "nil", "function"].includes(base.kind);
    if (path.length > 0 && isPlain) {
      throw new TemplateFault(`${text} has no fields`, at);
    }
    const onRoot = base.kind === "dot" ? this.#dotIsRoot : isRootVariable(base);
    this.#checkField(path[0], at, onRoot);
    return { at, base, path };
  }

  #base(): Base | undefined {
    const token = this.#peek();
    const { kind, text, value } = token;
    if (kind === "constant" && value !== undefined) return this.#taken({ kind, value });
    if (kind === "field" || isSymbol(token, ".")) return this.#taken({ kind: "dot" });
    if (kind === "variable") {
      this.#checkVariable(token);
      return this.#taken({ kind, name: text });
    }
    if (kind === "word") return this.#word(token);
    return isSymbol(token, "(") ? this.#parenthesis() : undefined;
  }

  #word({ text, at }: Token): Base {
    if (text === "true" || text === "false") {
      return this.#taken({ kind: "constant", value: text === "true" });
    }
    if (text === "nil") return this.#taken({ kind: "nil" });
    const functions = [...this.names.functions];
    if (functions.includes(text)) return this.#taken({ kind: "function", name: text });
    const meant = nearest(text, functions);
    const isField = this.names.fields?.includes(text) === true;
    const hint = isField ? `write .${text} for the field` : `did you mean ${meant}?`;
    const isKnown = isField || meant !== undefined;
    throw new TemplateFault(`there is no function "${text}"`, at, isKnown ? hint : undefined);
  }

  #parenthesis(): Base {
    const { at } = this.#take();
    this.#enter();
    const pipe = this.#pipe("( )");
    this.#depth--;
    if (!this.#takeSymbol(")")) throw new TemplateFault("this ( is not closed by )", at);
    return { kind: "pipe", pipe };
  }

  #enter(): void {
    if (this.#depth++ < depthMax) return;
    throw new TemplateFault(`more than ${depthMax} blocks and parentheses`, this.#peek().at);
  }

  #taken(base: Base): Base {
    this.#take();
    return base;
  }

  #checkVariable({ text, at }: Token): void {
    if (!this.#variables.includes(text)) {
      throw new TemplateFault(`there is no variable ${text}`, at);
    }
  }

  #checkField(name: string | undefined, at: number, onRoot: boolean): void {
    const { fields } = this.names;
    if (name === undefined || fields === undefined || !onRoot || fields.includes(name)) return;
    throw unknownField(name, at, fields);
  }

  #close(what: string): void {
    const token = this.#take();
    if (token.kind === "close") return;
    throw new TemplateFault(`"${token.text}" cannot stand behind ${what}`, token.at);
  }

  #takeSymbol(symbol: string): boolean {
    const found = isSymbol(this.#peek(), symbol);
    if (found) this.#take();
    return found;
  }

  #peek(): Token {
    const token = this.tokens[this.#next] ?? this.tokens.at(-1);
    if (token === undefined) throw new TypeError("a template has an end");
    return token;
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }
}

function isRootVariable(base: Base): boolean {
  return base.kind === "variable" && base.name === "$";
}

function isWord<Word extends string>(
  token: Token,
  ...words: Word[]
): token is Token & { readonly text: Word } {
  return token.kind === "word" && words.some((word) => word === token.text);
}

function isSymbol(
  token: Token | undefined,
  ...symbols: string[]
): token is Token & { readonly kind: "symbol" } {
  return token?.kind === "symbol" && symbols.includes(token.text);
}
