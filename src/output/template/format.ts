/**
 * How Go prints values: fmt's print, println and printf for what JSON can hold.
 *
 * Follows pkg.go.dev/fmt, "Printing". JSON has one kind of number: a whole one prints as Go's int,
 * and every verb for floats takes it too. Left out: `*` as a width, argument indexes, `%#v`.
 */

/** Go's own limit of a width; here of everything a template can ask for by a number. */
export const countMax = 1_000_000;

/** `value` as `%v` has it. What is not there is `<nil>`. */
export function print(value: unknown): string {
  return formatValue(value, plain);
}

/** fmt.Sprint: a space between operands when neither is a string. */
export function printAll(values: readonly unknown[]): string {
  return values
    .map((value, at) => {
      const isApart = at > 0 && typeof value !== "string" && typeof values[at - 1] !== "string";
      return (isApart ? " " : "") + print(value);
    })
    .join("");
}

/** fmt.Sprintf. What does not fit its verb is marked with `%!`, as in Go, and is no failure. */
export function printFormat(format: string, values: readonly unknown[]): string {
  let used = 0;
  const pattern = /%([-+# 0]*)(\d*)(?:\.(\d*))?([\s\S]?)/gu;
  const text = format.replace(pattern, (_, flags, width, precision, verb) => {
    if (verb === "") return "%!(NOVERB)";
    if (verb === "%") return "%";
    if (Number(width) > countMax) return "%!(BADWIDTH)";
    if (used >= values.length) return `%!${verb}(MISSING)`;
    return formatValue(values[used++], {
      verb,
      flags,
      width: Number(width),
      precision: precision === undefined ? undefined : Number(precision),
    });
  });
  const extra = values.slice(used).map((value) => named(value, plain));
  return text + (extra.length === 0 ? "" : `%!(EXTRA ${extra.join(", ")})`);
}

/** The type Go would give `value` when it reads it as JSON, as messages name it. */
export function typeName(value: unknown): string {
  if (value === undefined || value === null) return "<nil>";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  if (typeof value === "boolean") return "bool";
  if (Array.isArray(value)) return "list";
  return typeof value === "object" ? "map" : typeof value;
}

/** An object's fields in the order Go has for maps; methods are none. */
export function sortedFields(object: object): [string, unknown][] {
  const fields = Object.entries(object).filter(([, value]) => typeof value !== "function");
  return fields.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** One verb of a format: `%-8.3f`. */
interface Directive {
  readonly verb: string;
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
}

const plain: Directive = { verb: "v", flags: "", width: 0, precision: undefined };

function formatValue(value: unknown, directive: Directive): string {
  if (Array.isArray(value)) {
    return `[${value.map((each) => formatValue(each, directive)).join(" ")}]`;
  }
  if (typeof value === "object" && value !== null) {
    const fields = sortedFields(value).map(
      ([key, each]) => `${formatValue(key, directive)}:${formatValue(each, directive)}`,
    );
    return `map[${fields.join(" ")}]`;
  }
  const text = formatScalar(value, directive);
  if (text !== undefined) return pad(text, directive, typeof value === "number");
  return `%!${directive.verb}(${named(value, { ...directive, verb: "v" })})`;
}

/** A value beside its type, for what has gone wrong. */
function named(value: unknown, directive: Directive): string {
  if (value === undefined || value === null) return "<nil>";
  return `${typeName(value)}=${formatValue(value, directive)}`;
}

/** Undefined where the verb is none for such a value. */
function formatScalar(value: unknown, directive: Directive): string | undefined {
  if (typeof value === "string") return formatString(value, directive);
  if (typeof value === "number") return formatNumber(value, directive);
  if (typeof value === "boolean") return "vt".includes(directive.verb) ? `${value}` : undefined;
  return directive.verb === "v" ? "<nil>" : undefined;
}

function formatString(value: string, directive: Directive): string | undefined {
  const { verb, precision, flags } = directive;
  const text = precision === undefined ? value : [...value].slice(0, precision).join("");
  if (verb === "v" || verb === "s") return text;
  if (verb === "q") return quote(text);
  if (verb !== "x" && verb !== "X") return undefined;
  const bytes = [...new TextEncoder().encode(text)].map((byte) => hexadecimal(byte, 2));
  const joined = bytes.join(flags.includes(" ") ? " " : "");
  return verb === "X" ? joined.toUpperCase() : joined;
}

function formatNumber(value: number, { verb, flags, precision }: Directive): string | undefined {
  const isWhole = Number.isInteger(value);
  const digits = isWhole ? wholeDigits(value, verb) : undefined;
  const text = digits ?? floatDigits(value, verb, precision);
  if (text === undefined) return undefined;
  return value >= 0 && flags.includes("+") && !"cqU".includes(verb) ? `+${text}` : text;
}

function wholeDigits(value: number, verb: string): string | undefined {
  if (verb === "v" || verb === "d") return `${value}`;
  if (verb === "x") return value.toString(16);
  if (verb === "X") return value.toString(16).toUpperCase();
  if (verb === "o") return value.toString(8);
  if (verb === "b") return value.toString(2);
  if (verb === "U") return `U+${hexadecimal(value, 4).toUpperCase()}`;
  const character = value >= 0 && value <= 0x10ffff ? String.fromCodePoint(value) : "\ufffd";
  if (verb === "c") return character;
  return verb === "q" ? `'${quote(character).slice(1, -1).replace("'", "\\'")}'` : undefined;
}

function floatDigits(value: number, verb: string, precision?: number): string | undefined {
  if (verb === "f" || verb === "F") return fixed(value, precision ?? 6);
  if (verb === "e" || verb === "E") {
    const text = twoDigitExponent(value.toExponential(Math.min(precision ?? 6, 100)));
    return verb === "E" ? text.toUpperCase() : text;
  }
  if (verb !== "v" && verb !== "g" && verb !== "G") return undefined;
  const text = general(value, precision);
  return verb === "G" ? text.toUpperCase() : text;
}

/** strconv's `g`: an exponent where it is below -4 or not below the digits there may be. */
function general(value: number, precision?: number): string {
  const digitsMax = precision === undefined ? 6 : Math.min(Math.max(precision, 1), 100);
  const rounded = precision === undefined ? value : Number(value.toPrecision(digitsMax));
  const written = rounded.toExponential();
  const [mantissa = "", power] = written.split("e");
  const exponent = Number(power);
  const digits = mantissa.replace(/\D/g, "").length;
  const isShort = precision !== undefined && digits < digitsMax && digits > exponent;
  const isPlain = exponent >= -4 && exponent < (isShort ? digits : digitsMax);
  return isPlain ? `${rounded}` : twoDigitExponent(written);
}

function twoDigitExponent(written: string): string {
  return written.replace(/e([+-])(\d)$/, "e$10$2");
}

/** toFixed, but a digit that is exactly in the middle goes to the even one, as in Go. */
function fixed(value: number, precision: number): string {
  const digits = Math.min(precision, 99);
  const exact = value.toFixed(digits + 1);
  if (!exact.endsWith("5") || Number(exact) !== value) return value.toFixed(digits);
  const cut = exact.slice(0, -1).replace(/\.$/, "");
  return /[02468]$/.test(cut) ? cut : value.toFixed(digits);
}

function pad(text: string, { flags, width }: Directive, isNumber: boolean): string {
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes("-")) return text + " ".repeat(missing);
  if (!isNumber || !flags.includes("0")) return " ".repeat(missing) + text;
  const [sign = ""] = /^[+-]?/.exec(text) ?? [];
  return sign + "0".repeat(missing) + text.slice(sign.length);
}

const escapes: Readonly<Record<string, string>> = {
  ...{ "\x07": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t" },
  ...{ "\v": "\\v", '"': '\\"', "\\": "\\\\" },
};

/** strconv.Quote. */
function quote(text: string): string {
  const strange = /["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;
  const inner = text.replace(strange, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (Object.hasOwn(escapes, character)) return escapes[character] ?? "";
    if (code < 0x80) return `\\x${hexadecimal(code, 2)}`;
    return code > 0xffff ? `\\U${hexadecimal(code, 8)}` : `\\u${hexadecimal(code, 4)}`;
  });
  return `"${inner}"`;
}

function hexadecimal(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
