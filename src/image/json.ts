/**
 * JSON from a registry as values of a known shape. Each function takes `where`, the place in the
 * document, so that a refusal names it. `null` counts as absent: docker's Go writes it for every
 * empty slice and map.
 */

import { HbError } from "../errors.ts";

/** A JSON object whose members are still unchecked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Parses `bytes`. Bytes that are not UTF-8 become U+FFFD, as Go's decoder has it: nothing we use
 * as a name or digest survives that, and a Latin-1 author label must not stop a pull.
 */
export function parseJson(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    const reason =
      cause instanceof Error ? cause.message.replace(/^JSON Parse error: /, "") : cause;
    throw new HbError(`Cannot read ${where}: not JSON (${reason})`);
  }
}

/** `value` as an object. */
export function expectObject(value: unknown, where: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as JsonObject;
  }
  throw mismatch(where, "an object", value);
}

/** `value` as an array; absent is empty. */
export function expectArray(value: unknown, where: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw mismatch(where, "an array", value);
}

/**
 * `value` as a string. A NUL is refused: these strings become arguments, environment and paths,
 * where C would silently cut them short.
 */
export function expectString(value: unknown, where: string): string {
  if (typeof value !== "string") throw mismatch(where, "a string", value);
  if (value.includes("\0")) throw new HbError(`Cannot read ${where}: it contains a NUL byte`);
  return value;
}

/** `value` as a string, or undefined when absent. */
export function optionalString(value: unknown, where: string): string | undefined {
  return value === undefined || value === null ? undefined : expectString(value, where);
}

/** `value` as an array of strings; absent is empty. */
export function expectStrings(value: unknown, where: string): readonly string[] {
  return expectArray(value, where).map((item, i) => expectString(item, `${where}[${i}]`));
}

/** `value` as a map of strings; absent is empty. Never a way to a prototype: keys are own keys. */
export function expectStringMap(value: unknown, where: string): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  const entries = Object.entries(expectObject(value, where));
  return Object.fromEntries(
    entries.map(([key, item]) => [key, expectString(item, `${where}.${key}`)]),
  );
}

/** `value` as an integer from 0 to 2^53-1. */
export function expectSize(value: unknown, where: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw mismatch(where, "an integer from 0 to 2^53-1", value);
}

/** `properties` without the undefined ones: an optional member is absent, never undefined. */
export function compact<T extends object>(properties: T): Compact<T> {
  return Object.fromEntries(
    Object.entries(properties).filter(([, value]) => value !== undefined),
  ) as Compact<T>;
}

/** `T` with every member that may be undefined made optional and never undefined. */
export type Compact<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

function mismatch(where: string, expected: string, value: unknown): HbError {
  return new HbError(`Cannot read ${where}: expected ${expected}, got ${describe(value)}`);
}

function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
