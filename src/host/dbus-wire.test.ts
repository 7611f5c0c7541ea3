/** D-Bus messages, against the specification's rules. */

import { expect, test } from "bun:test";
import { decodeMessage, encodeMessage } from "./dbus-wire.ts";

/** The first call of every connection to a bus, by hand. */
const hello =
  "6c01000100000000010000006d00000001016f00150000002f6f72672f667265656465736b746f702f4442757300" +
  "0000020173001400" +
  "00006f72672e667265656465736b746f702e444275730000000003017300050000" +
  "0048656c6c6f00000006017300140000006f72672e667265656465736b746f702e4442757300000000";

const call = {
  type: "call",
  serial: 1,
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
  member: "Hello",
  destination: "org.freedesktop.DBus",
  signature: "",
  body: [],
} as const;

test("a call is written as the specification has it", () => {
  expect(Buffer.from(encodeMessage(call)).toString("hex")).toBe(hello);
});

test("what is written can be read, nested values included", () => {
  const message = {
    ...call,
    signature: "ssa(sv)a(sa(sv))",
    body: [
      "hb-0.scope",
      "fail",
      [
        ["PIDs", { signature: "au", value: [7, 4_000_000] }],
        ["Delegate", { signature: "b", value: 1 }],
      ],
      [],
    ],
  };
  const bytes = encodeMessage(message);
  expect(decodeMessage(bytes)).toEqual({ message, length: bytes.length });
});

test("a message is not read before it is all there, and one too large never", () => {
  const bytes = encodeMessage({ ...call, signature: "s", body: ["text"] });
  expect(decodeMessage(bytes.subarray(0, 10))).toBeUndefined();
  expect(decodeMessage(bytes.subarray(0, bytes.length - 1))).toBeUndefined();
  const large = bytes.slice();
  new DataView(large.buffer).setUint32(4, 1 << 30, true);
  expect(() => decodeMessage(large)).toThrow(/bytes/);
});

test("signals about other things are read past, whatever is in them", () => {
  const properties = { ...call, signature: "sa{sv}as", body: ["x", [], ["y"]] };
  expect(decodeMessage(encodeMessage(properties))?.message.body).toEqual(["x", [], ["y"]]);
});
