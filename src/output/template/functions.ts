/**
 * What templates can call: text/template's own functions and those docker adds (json, join, split,
 * lower, upper, title, pad, truncate). `and` and `or` are the evaluator's: they may stop early.
 *
 * Values come without types. What docker knows to be an empty list or map may be null or absent
 * here, so that `len` of it is 0 and `index` finds in it what it finds in an empty one.
 */

import { toJson } from "../json.ts";
import { ArgumentFault } from "./fault.ts";
import { countMax, print, printAll, printFormat, sortedFields, typeName } from "./format.ts";

/** One function: how many arguments it takes, and what it makes of them. */
export interface TemplateFunction {
  readonly min: number;
  readonly max: number;
  readonly call: (...args: unknown[]) => unknown;
}

/** Functions by name. */
export type Functions = Readonly<Record<string, TemplateFunction>>;

/** All that a template can name; `and` and `or` are here for their names and counts. */
export const functions: Functions = {
  and: { min: 1, max: Number.POSITIVE_INFINITY, call: (value) => value },
  or: { min: 1, max: Number.POSITIVE_INFINITY, call: (value) => value },
  not: fixed(1, (value) => !isTrue(value)),
  eq: { min: 2, max: Number.POSITIVE_INFINITY, call: equalsAny },
  ne: fixed(2, (a, b) => !equals(a, b)),
  lt: fixed(2, (a, b) => compare(a, b) < 0),
  le: fixed(2, (a, b) => compare(a, b) <= 0),
  gt: fixed(2, (a, b) => compare(a, b) > 0),
  ge: fixed(2, (a, b) => compare(a, b) >= 0),
  index: { min: 1, max: Number.POSITIVE_INFINITY, call: indexAll },
  slice: { min: 1, max: 3, call: slice },
  len: fixed(1, length),
  print: { min: 0, max: Number.POSITIVE_INFINITY, call: (...values) => printAll(values) },
  println: {
    min: 0,
    max: Number.POSITIVE_INFINITY,
    call: (...values) => `${values.map(print).join(" ")}\n`,
  },
  printf: {
    min: 1,
    max: Number.POSITIVE_INFINITY,
    call: (format, ...values) => printFormat(text(format), values),
  },
  json: fixed(1, (value) => toJson(value ?? null)),
  join: fixed(2, join),
  split: fixed(2, (value, separator) => split(text(value), text(separator))),
  lower: fixed(1, (value) => text(value).toLowerCase()),
  upper: fixed(1, (value) => text(value).toUpperCase()),
  title: fixed(1, (value) => title(text(value))),
  pad: fixed(3, pad),
  truncate: fixed(2, (value, bytes) => truncate(text(value), whole(bytes))),
};

/** The same over headings: what changes a value leaves the name of its column as it is. */
export const headingFunctions: Functions = {
  ...functions,
  ...Object.fromEntries(
    ["json", "join", "split", "lower", "upper", "title", "truncate"].map((name) => {
      const { min = 1, max = 1 } = functions[name] ?? {};
      return [name, { min, max, call: (heading: unknown) => heading }];
    }),
  ),
};

/** What `if`, `with`, `and`, `or` and `not` take for true: all but zero, empty and nothing. */
export function isTrue(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return length(value) > 0;
  return Boolean(value);
}

function fixed(count: number, call: (...args: unknown[]) => unknown): TemplateFunction {
  return { min: count, max: count, call };
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new ArgumentFault(`it takes a string, got ${describe(value)}`);
}

function whole(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new ArgumentFault(`it takes a whole number, got ${describe(value)}`);
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return "no value";
  return typeof value === "object" ? `a ${typeName(value)}` : `${typeName(value)} ${print(value)}`;
}

function equalsAny(first: unknown, ...others: unknown[]): boolean {
  return others.some((other) => equals(first, other));
}

/** Nothing equals only nothing; a number and a string are an error, as in Go. */
function equals(a: unknown, b: unknown): boolean {
  if (isNothing(a) || isNothing(b)) return isNothing(a) && isNothing(b);
  for (const value of [a, b]) {
    if (typeof value !== "object") continue;
    throw new ArgumentFault(`it cannot compare a ${typeName(value)}`);
  }
  checkSameType(a, b);
  return a === b;
}

function compare(a: unknown, b: unknown): number {
  for (const value of [a, b]) {
    if (typeof value === "number" || typeof value === "string") continue;
    throw new ArgumentFault(`it compares numbers or strings, got ${describe(value)}`);
  }
  checkSameType(a, b);
  const [left, right] = [a as string | number, b as string | number];
  return left < right ? -1 : left > right ? 1 : 0;
}

function checkSameType(a: unknown, b: unknown): void {
  if (typeof a === typeof b) return;
  throw new ArgumentFault(`it cannot compare ${describe(a)} with ${describe(b)}`);
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null;
}

function length(value: unknown): number {
  if (isNothing(value)) return 0;
  if (typeof value === "string") return bytesOf(value).length;
  if (Array.isArray(value)) return value.length;
  if (typeof value === "object" && value !== null) return sortedFields(value).length;
  throw new ArgumentFault(`${describe(value)} has no length`);
}

/** `index x 1 "a"` is x[1]["a"]. */
function indexAll(value: unknown, ...keys: unknown[]): unknown {
  return keys.reduce(index, value);
}

function index(value: unknown, key: unknown): unknown {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    if (typeof key !== "string") {
      throw new ArgumentFault(`a map's keys are strings, got ${describe(key)}`);
    }
    return Object.hasOwn(value, key) ? Reflect.get(value, key) : absentFrom(value);
  }
  if (isNothing(value) && typeof key === "string") return "";
  const items = typeof value === "string" ? bytesOf(value) : (value ?? []);
  if (!Array.isArray(items) && !(items instanceof Uint8Array)) {
    throw new ArgumentFault(`it looks into lists, maps and strings, got ${describe(value)}`);
  }
  const at = whole(key);
  if (at >= 0 && at < items.length) return items[at];
  throw new ArgumentFault(`index out of range: ${at} of ${items.length}`);
}

/** What Go finds for a key that is not there: "" among strings, an empty list among lists. */
function absentFrom(map: object): unknown {
  const values = Object.values(map);
  if (values.every((value) => typeof value === "string")) return "";
  return values.every((value) => Array.isArray(value)) ? [] : undefined;
}

function slice(value: unknown, from: unknown = 0, to?: unknown): unknown {
  const items = typeof value === "string" ? bytesOf(value) : (value ?? []);
  if (!Array.isArray(items) && !(items instanceof Uint8Array)) {
    throw new ArgumentFault(`it takes a list or a string, got ${describe(value)}`);
  }
  const start = whole(from);
  const end = to === undefined ? items.length : whole(to);
  for (const at of [start, end]) {
    if (at >= 0 && at <= items.length) continue;
    throw new ArgumentFault(`index out of range: ${at} of ${items.length}`);
  }
  if (start > end) throw new ArgumentFault(`${start} is behind ${end}`);
  const part = items.slice(start, end);
  return part instanceof Uint8Array ? new TextDecoder().decode(part) : part;
}

/** docker joins whatever there is: a map's values in their order, nothing to "". */
function join(value: unknown, separator: unknown): string {
  if (isNothing(value)) return "";
  if (Array.isArray(value)) return value.map(print).join(text(separator));
  if (typeof value !== "object" || value === null) {
    throw new ArgumentFault(`it takes a list, got ${describe(value)}`);
  }
  const values = sortedFields(value).map(([, each]) => print(each));
  return values.sort().join(text(separator));
}

/** strings.Split: nothing between two characters is a separator as well. */
function split(value: string, separator: string): string[] {
  return separator === "" ? [...value] : value.split(separator);
}

/** strings.Title: the first letter of every word; `_` and digits are within words. */
function title(value: string): string {
  return value.replace(/(?<![\p{L}\p{N}_])\p{L}/gu, (letter) => letter.toUpperCase());
}

function pad(value: unknown, before: unknown, after: unknown): string {
  const [left, right] = [whole(before), whole(after)];
  if (Math.min(left, right) < 0) throw new ArgumentFault("it takes no negative number");
  if (Math.max(left, right) > countMax) throw new ArgumentFault(`it adds ${countMax} at most`);
  const shown = text(value);
  return shown === "" ? "" : " ".repeat(left) + shown + " ".repeat(right);
}

/** At most so many bytes, but no half of a character. */
function truncate(value: string, bytes: number): string {
  if (bytes < 0) throw new ArgumentFault("it takes no negative number");
  // A stream's decoder keeps the beginning of a character to itself.
  return new TextDecoder().decode(bytesOf(value).slice(0, bytes), { stream: true });
}

function bytesOf(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
