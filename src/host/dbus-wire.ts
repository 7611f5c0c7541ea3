/**
 * D-Bus messages as bytes, both ways, as far as systemd's manager needs them (D-Bus Specification,
 * "Marshaling (Wire Format)" and "Message Format"): little-endian, no descriptors. Pure.
 */

/** What a signature's complete type holds: texts and numbers, arrays and structs, variants. */
export type DbusValue = string | number | boolean | Variant | readonly DbusValue[];

/** A value that carries its own signature. */
export interface Variant {
  readonly signature: string;
  readonly value: DbusValue;
}

/** The part of a message that says what it is about. */
export interface DbusMessage {
  readonly type: "call" | "return" | "error" | "signal";
  readonly serial: number;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly errorName?: string;
  readonly replySerial?: number;
  readonly destination?: string;
  readonly signature: string;
  readonly body: readonly DbusValue[];
}

const TYPES = ["call", "return", "error", "signal"] as const;
/** Header fields by their codes. */
const FIELDS = {
  path: { code: 1, signature: "o" },
  interface: { code: 2, signature: "s" },
  member: { code: 3, signature: "s" },
  errorName: { code: 4, signature: "s" },
  replySerial: { code: 5, signature: "u" },
  destination: { code: 6, signature: "s" },
  signature: { code: 8, signature: "g" },
} as const;
/** The specification's own: 128 MiB; what systemd says to us is far below. */
const MESSAGE_BYTES_MAX = 1 << 20;
const FIXED_HEADER_BYTES = 16;

/** The bytes of `message`. */
export function encodeMessage(message: Omit<DbusMessage, "type"> & { type: "call" }): Uint8Array {
  const body = new Writer();
  body.putAll(message.signature, message.body);
  const fields = Object.entries(FIELDS).flatMap(([name, { code, signature }]) => {
    const value = message[name as keyof typeof FIELDS];
    return value === undefined || value === "" ? [] : [[code, { signature, value }]];
  });
  const header = new Writer();
  const little = "l".charCodeAt(0);
  const type = TYPES.indexOf(message.type) + 1;
  const version = 1;
  header.putAll("yyyyuua(yv)", [little, type, 0, version, body.length, message.serial, fields]);
  header.align(8);
  return Uint8Array.from([...header.bytes, ...body.bytes]);
}

/** The first message in `bytes` and its length; undefined while it is not all there. */
export function decodeMessage(
  bytes: Uint8Array,
): { readonly message: DbusMessage; readonly length: number } | undefined {
  if (bytes.length < FIXED_HEADER_BYTES) return undefined;
  if (bytes[0] !== "l".charCodeAt(0)) throw new Error("the D-Bus message is not little-endian");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bodyBytes = view.getUint32(4, true);
  const headerBytes = alignUp(FIXED_HEADER_BYTES + view.getUint32(12, true), 8);
  const length = headerBytes + bodyBytes;
  if (length > MESSAGE_BYTES_MAX) throw new Error(`a D-Bus message of ${length} bytes`);
  if (bytes.length < length) return undefined;
  const header = new Reader(bytes.subarray(0, headerBytes));
  const [, type = 0, , , , serial, fields] = header.takeAll("yyyyuua(yv)");
  const named = new Map<number, DbusValue>();
  for (const [code, variant] of fields as [number, Variant][]) named.set(code, variant.value);
  const text = (field: keyof typeof FIELDS) => named.get(FIELDS[field].code) as string | undefined;
  const signature = text("signature") ?? "";
  const message = {
    ...definedOf({
      path: text("path"),
      interface: text("interface"),
      member: text("member"),
      errorName: text("errorName"),
      destination: text("destination"),
    }),
    ...definedOf({ replySerial: named.get(FIELDS.replySerial.code) as number | undefined }),
    type: TYPES[Number(type) - 1] ?? "signal",
    serial: Number(serial),
    signature,
    body: new Reader(bytes.subarray(headerBytes, length)).takeAll(signature),
  };
  return { message, length };
}

function definedOf<T>(
  fields: Readonly<Record<string, T | undefined>>,
): Readonly<Record<string, T>> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Record<string, T>;
}

function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

/** Bytes that a type's values begin at multiples of; for numbers their size as well. */
function alignmentOf(type: string): number {
  const first = type[0] ?? "";
  if ("ygv".includes(first)) return 1;
  if ("nq".includes(first)) return 2;
  return "xtd({".includes(first) ? 8 : 4;
}

/** `sa(sv)u` -> `s`, `a(sv)`, `u`. */
function completeTypes(signature: string): string[] {
  const types: string[] = [];
  let at = 0;
  while (at < signature.length) {
    const end = endOfType(signature, at);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function endOfType(signature: string, from: number): number {
  if (signature[from] === "a") return endOfType(signature, from + 1);
  if (!"({".includes(signature[from] ?? "")) return from + 1;
  let depth = 0;
  for (let at = from; at < signature.length; at++) {
    if ("({".includes(signature[at] ?? "")) depth++;
    if (")}".includes(signature[at] ?? "") && --depth === 0) return at + 1;
  }
  throw new Error(`the D-Bus signature "${signature}" has no end`);
}

class Writer {
  readonly bytes: number[] = [];

  get length(): number {
    return this.bytes.length;
  }

  align(alignment: number): void {
    while (this.bytes.length % alignment !== 0) this.bytes.push(0);
  }

  putAll(signature: string, values: readonly DbusValue[]): void {
    for (const [i, type] of completeTypes(signature).entries()) this.#put(type, values[i] ?? "");
  }

  #put(type: string, value: DbusValue): void {
    this.align(alignmentOf(type));
    if (type.startsWith("(")) this.putAll(type.slice(1, -1), value as readonly DbusValue[]);
    else if (type.startsWith("a")) this.#putArray(type.slice(1), value as readonly DbusValue[]);
    else if (type === "v") this.#putVariant(value as Variant);
    else if (type === "y") this.bytes.push(Number(value));
    else if (type === "u" || type === "b") this.#putNumber(Number(value));
    else this.#putText(type, String(value));
  }

  #putArray(type: string, values: readonly DbusValue[]): void {
    const at = this.bytes.length;
    this.#putNumber(0);
    this.align(alignmentOf(type)); // padding is not part of the length
    const from = this.bytes.length;
    for (const value of values) this.#put(type, value);
    const length = new Writer();
    length.#putNumber(this.bytes.length - from);
    this.bytes.splice(at, 4, ...length.bytes);
  }

  #putVariant({ signature, value }: Variant): void {
    this.#putText("g", signature);
    this.#put(signature, value);
  }

  #putNumber(value: number): void {
    this.bytes.push(...new Uint8Array(Uint32Array.of(value).buffer));
  }

  #putText(type: string, text: string): void {
    const bytes = new TextEncoder().encode(text);
    if (type === "g") this.bytes.push(bytes.length);
    else this.#putNumber(bytes.length);
    this.bytes.push(...bytes, 0);
  }
}

class Reader {
  #at = 0;
  readonly #view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  takeAll(signature: string): DbusValue[] {
    return completeTypes(signature).map((type) => this.#take(type));
  }

  #take(type: string): DbusValue {
    this.#at = alignUp(this.#at, alignmentOf(type));
    if ("({".includes(type[0] ?? "")) return this.takeAll(type.slice(1, -1));
    if (type.startsWith("a")) return this.#takeArray(type.slice(1));
    if (type === "v") {
      const signature = this.#takeText("g");
      return { signature, value: this.#take(signature) };
    }
    if ("sog".includes(type)) return this.#takeText(type);
    if ("ub".includes(type)) return this.#takeNumber();
    return this.#skip(alignmentOf(type), type);
  }

  /** A number of a kind that nothing here asks for. */
  #skip(size: number, type: string): number {
    const value = type === "y" ? this.#view.getUint8(this.#at) : 0;
    this.#at += size;
    return value;
  }

  #takeArray(type: string): DbusValue[] {
    const length = this.#takeNumber();
    const from = alignUp(this.#at, alignmentOf(type));
    const end = from + length;
    this.#at = from;
    const values: DbusValue[] = [];
    while (this.#at < end) values.push(this.#take(type));
    return values;
  }

  #takeNumber(): number {
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  #takeText(type: string): string {
    const length = type === "g" ? this.#view.getUint8(this.#at++) : this.#takeNumber();
    const text = new TextDecoder().decode(this.bytes.subarray(this.#at, this.#at + length));
    this.#at += length + 1;
    return text;
  }
}
