/**
 * docker's `--format`: Go's text/template over plain objects, what people's scripts use of it.
 *
 * Values are what JSON can hold and have no types, which shows in some places: a map key that is
 * not there and null both print `<no value>`; maps and structs both print `map[k:v]`; null is an
 * empty list or map to `len`, `index` and `range`; whole and broken numbers compare with each
 * other; and `{{json .}}` keeps the order of fields.
 */

import { HbError, type HbErrorOptions, UsageError } from "../errors.ts";
import { evaluate } from "./template/evaluate.ts";
import { TemplateFault } from "./template/fault.ts";
import { type Functions, functions, headingFunctions } from "./template/functions.ts";
import { parseTemplate } from "./template/parser.ts";

/** A template that was understood. */
export interface Template {
  /** One object -> text. */
  render(value: unknown): string;
}

/** A template over the rows of a listing. */
export interface RowTemplate extends Template {
  /** The text over a table's headings, which functions leave as they are. */
  renderHeadings(headings: unknown): string;
}

/** Longest template that a message repeats whole. */
const shownMax = 300;

/**
 * Compiles or throws HbError naming --format. `fields`: what rows have at top level, so that a
 * typo is found before there is a row; absent for inspect, where the value's own fields are known
 * when it is rendered. A row's template has `\t` and `\n` for tab and newline, as docker's.
 */
export function compileTemplate(text: string, fields?: readonly string[]): Template {
  return fields === undefined ? compile(text, 0) : compileRowTemplate(text, fields);
}

/** The same for rows; the word `table` before the template is skipped, as are spaces around it. */
export function compileRowTemplate(text: string, fields: readonly string[]): RowTemplate {
  const start = /^(?:table)? */.exec(text)?.[0].length ?? 0;
  return compile(text.replace(/ +$/, ""), start, fields);
}

function compile(text: string, start: number, fields?: readonly string[]): RowTemplate {
  const known = { functions: Object.keys(functions), ...(fields === undefined ? {} : { fields }) };
  if (!text.includes("{{")) {
    throw new UsageError(`Cannot use --format ${shown(text)}: it has no {{ }}`, {
      hint: "write fields as '{{.ID}}', or the word json",
    });
  }
  const nodes = explain(text, UsageError, () => parseTemplate(text, start, known));
  const render = (root: unknown, callable: Functions): string => {
    const scope = { root, functions: callable, strict: fields === undefined };
    return explain(text, HbError, () => evaluate(nodes, scope));
  };
  return {
    render: (value) => render(value, functions),
    renderHeadings: (headings) => render(headings, headingFunctions),
  };
}

/** Does `work`, and says of a fault where in `text` it is. */
function explain<Result>(
  text: string,
  kind: new (message: string, options: HbErrorOptions) => HbError,
  work: () => Result,
): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TemplateFault)) throw error;
    throw new kind(`Cannot use --format ${shown(text)}`, {
      cause: `${placeOf(text, error.at)}: ${error.message}`,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}

function shown(text: string): string {
  return JSON.stringify(text.length > shownMax ? `${text.slice(0, shownMax)}…` : text);
}

function placeOf(text: string, at: number): string {
  const before = text.slice(0, at).split("\n");
  const column = `column ${[...(before.at(-1) ?? "")].length + 1}`;
  return text.includes("\n") ? `line ${before.length}, ${column}` : column;
}
