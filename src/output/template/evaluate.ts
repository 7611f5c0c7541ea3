/**
 * Nodes and a value -> text, as the text/template documentation has it. Values are what JSON can
 * hold; a function among an object's fields is a method (`{{.Label "com.example"}}`).
 *
 * Only an object's own fields are there: a template reaches nothing of the language below.
 */

import { ArgumentFault, TemplateFault } from "./fault.ts";
import { countMax, print, sortedFields, typeName } from "./format.ts";
import { type Functions, isTrue } from "./functions.ts";
import type { Block, Command, Node, Operand, Pipe } from "./nodes.ts";
import { unknownField } from "./parser.ts";

/** What a template is rendered with. */
export interface Scope {
  readonly root: unknown;
  readonly functions: Functions;
  /** A top-level field that the value lacks is a fault; one deeper inside never is. */
  readonly strict: boolean;
}

/** The text that `nodes` make of `scope.root`. */
export function evaluate(nodes: readonly Node[], scope: Scope): string {
  return new Evaluator(scope).text(nodes);
}

/** How a list of nodes ended early. */
type Jump = "break" | "continue" | undefined;

/** No argument came through the pipeline: not the same as one that is nothing. */
const NONE = Symbol("no argument");

class Evaluator {
  #out = "";
  #variables: { readonly name: string; value: unknown }[];

  constructor(readonly scope: Scope) {
    this.#variables = [{ name: "$", value: scope.root }];
  }

  text(nodes: readonly Node[]): string {
    this.#list(nodes, this.scope.root);
    return this.#out;
  }

  /** Variables made in a list end with it. */
  #list(nodes: readonly Node[], dot: unknown): Jump {
    const outer = this.#variables.length;
    let jump: Jump;
    for (const node of nodes) {
      jump = this.#node(node, dot);
      if (jump !== undefined) break;
    }
    this.#variables.length = outer;
    return jump;
  }

  #node(node: Node, dot: unknown): Jump {
    switch (node.kind) {
      case "text":
        this.#out += node.text;
        return undefined;
      case "action": {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.names.length === 0)
          this.#out += isNothing(value) ? "<no value>" : print(value);
        return undefined;
      }
      case "break":
      case "continue":
        return node.kind;
      case "range":
        return this.#range(node, dot);
      case "if":
      case "with":
        return this.#branch(node, dot);
    }
  }

  #branch({ kind, pipe, body, otherwise }: Block, dot: unknown): Jump {
    const outer = this.#variables.length;
    const value = this.#pipe(pipe, dot);
    const jump = isTrue(value)
      ? this.#list(body, kind === "with" ? value : dot)
      : this.#list(otherwise, dot);
    this.#variables.length = outer;
    return jump;
  }

  #range({ pipe, body, otherwise }: Block, dot: unknown): Jump {
    const outer = this.#variables.length;
    const { names, assigns } = pipe;
    const value = this.#pipe({ ...pipe, names: [] }, dot);
    const items = this.#items(value, pipe);
    if (items.length === 0) return this.#list(otherwise, dot);
    for (const [key, item] of items) {
      const values = names.length === 2 ? [key, item] : [item];
      for (const [at, name] of names.entries()) this.#set(name, values[at], assigns);
      const jump = this.#list(body, item);
      this.#variables.length = outer;
      if (jump === "break") break;
    }
    return undefined;
  }

  /** What a range goes over, with indexes or keys; a number counts from 0 up to it. */
  #items(value: unknown, { at, names }: Pipe): readonly (readonly [unknown, unknown])[] {
    if (isNothing(value)) return [];
    if (Array.isArray(value)) return [...value.entries()];
    if (typeof value === "object" && value !== null) return sortedFields(value);
    const counts = typeof value === "number" && Number.isInteger(value) && value <= countMax;
    if (counts && names.length < 2) {
      return Array.from({ length: Math.max(0, value) }, (_, index) => [index, index]);
    }
    throw new TemplateFault(`range cannot go over ${typeName(value)} ${print(value)}`, at);
  }

  #pipe({ names, assigns, commands }: Pipe, dot: unknown): unknown {
    let value: unknown = NONE;
    for (const command of commands) value = this.#command(command, dot, value);
    for (const name of names) this.#set(name, value, assigns);
    return value;
  }

  #set(name: string, value: unknown, assigns: boolean): void {
    const variable = this.#variables.findLast((each) => each.name === name);
    if (assigns && variable !== undefined) variable.value = value;
    else this.#variables.push({ name, value });
  }

  /** `piped` is what the command before in the pipeline made: the last argument. */
  #command({ first, args }: Command, dot: unknown, piped: unknown): unknown {
    const last = piped === NONE ? [] : [piped];
    if (first.base.kind === "function") return this.#function(first, args, last, dot);
    if (first.base.kind === "nil") throw new TemplateFault("nil alone is no value", first.at);
    const values = [...args.map((each) => this.#operand(each, dot)), ...last];
    return this.#operand(first, dot, values);
  }

  #function(
    { base, at }: Operand,
    args: readonly Operand[],
    last: readonly unknown[],
    dot: unknown,
  ): unknown {
    const name = base.kind === "function" ? base.name : "";
    const known = this.scope.functions[name];
    if (known === undefined) throw new TypeError(`the parser let ${name} through`);
    const count = args.length + last.length;
    if (count < known.min || count > known.max) {
      throw new TemplateFault(`${name} takes ${wantedBy(known)}, got ${count}`, at);
    }
    if (name === "and" || name === "or") return this.#shortCircuit(name, args, last, dot);
    const values = [...args.map((each) => this.#operand(each, dot)), ...last];
    try {
      return known.call(...values);
    } catch (error) {
      if (!(error instanceof ArgumentFault)) throw error;
      throw new TemplateFault(`${name}: ${error.message}`, at);
    }
  }

  /** The argument that decides, and none behind it is looked at. */
  #shortCircuit(
    name: "and" | "or",
    args: readonly Operand[],
    last: readonly unknown[],
    dot: unknown,
  ): unknown {
    let value: unknown;
    for (const argument of args) {
      value = this.#operand(argument, dot);
      if (isTrue(value) === (name === "or")) return value;
    }
    return last.length > 0 ? last[0] : value;
  }

  #operand(operand: Operand, dot: unknown, args: readonly unknown[] = []): unknown {
    const { path, at } = operand;
    if (args.length > 0 && path.length === 0) {
      throw new TemplateFault("only functions and methods take arguments", at);
    }
    let value = this.#base(operand, dot);
    for (const [depth, name] of path.entries()) {
      const isLast = depth === path.length - 1;
      value = this.#field(value, name, at, isLast ? args : []);
    }
    return value;
  }

  #base({ base, at }: Operand, dot: unknown): unknown {
    switch (base.kind) {
      case "dot":
        return dot;
      case "nil":
        return null;
      case "constant":
        return base.value;
      case "variable":
        return this.#variables.findLast(({ name }) => name === base.name)?.value;
      case "pipe":
        return this.#pipe(base.pipe, dot);
      case "function":
        return this.#function({ base, at, path: [] }, [], [], dot);
    }
  }

  #field(receiver: unknown, name: string, at: number, args: readonly unknown[]): unknown {
    if (receiver === undefined) return undefined;
    if (typeof receiver !== "object" || receiver === null || Array.isArray(receiver)) {
      const what = receiver === null ? "null" : `${typeName(receiver)} ${print(receiver)}`;
      throw new TemplateFault(`there is no field .${name} in ${what}`, at);
    }
    const isThere = Object.hasOwn(receiver, name);
    if (!isThere && this.scope.strict && receiver === this.scope.root) {
      throw unknownField(name, at, Object.keys(receiver));
    }
    const value: unknown = isThere ? Reflect.get(receiver, name) : undefined;
    if (isMethod(value)) return callMethod(value, name, at, args);
    if (args.length === 0) return value;
    throw new TemplateFault(`.${name} is no method but has arguments`, at);
  }
}

/** A row's own function: whoever made the row says what it takes. */
type Method = (...args: unknown[]) => unknown;

function isMethod(value: unknown): value is Method {
  return typeof value === "function";
}

function callMethod(method: Method, name: string, at: number, args: readonly unknown[]): unknown {
  if (args.length >= method.length) return method(...args);
  const wanted = wantedBy({ min: method.length, max: method.length });
  throw new TemplateFault(`.${name} takes ${wanted}, got ${args.length}`, at);
}

function wantedBy({ min, max }: { readonly min: number; readonly max: number }): string {
  if (Number.isFinite(max) && max > min) return `${min} to ${max} arguments`;
  return `${max > min ? "at least " : ""}${min} argument${min === 1 ? "" : "s"}`;
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null;
}
