/**
 * A connection to one D-Bus peer over a unix socket: enough to ask systemd for something and to
 * wait for it, with no other program. Authentication is EXTERNAL: the kernel says who we are.
 */

import { createConnection, type Socket } from "node:net";
import { HbError } from "../errors.ts";
import { type DbusMessage, type DbusValue, decodeMessage, encodeMessage } from "./dbus-wire.ts";

/** Who is called, and what with. */
export interface DbusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature: string;
  readonly body: readonly DbusValue[];
}

/** A peer that does not answer for so long is taken for dead. */
const ANSWER_MS_MAX = 30_000;

/** One connection; ends with `using`. */
export class DbusConnection implements Disposable {
  readonly #socket: Socket;
  #received: Uint8Array = new Uint8Array();
  #isOpen = false;
  #serial = 0;
  #failure: Error | undefined;
  readonly #messages: DbusMessage[] = [];
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new HbError("the connection was closed")));
  }

  /** Connects to `socket`, a path, and introduces this user. */
  static async open(path: string): Promise<DbusConnection> {
    const connection = new DbusConnection(createConnection({ path }));
    const uid = Buffer.from(String(process.geteuid?.() ?? 0)).toString("hex");
    connection.#socket.write(`\0AUTH EXTERNAL ${uid}\r\n`);
    try {
      await connection.#until(() => connection.#isOpen);
      return connection;
    } catch (error) {
      connection[Symbol.dispose]();
      throw error;
    }
  }

  /** Calls a method; what it returns, or its error thrown as `HbError` with D-Bus's own words. */
  async call(call: DbusCall): Promise<readonly DbusValue[]> {
    const serial = ++this.#serial;
    this.#socket.write(encodeMessage({ ...call, type: "call", serial }));
    const answer = await this.next(({ replySerial }) => replySerial === serial);
    if (answer.type !== "error") return answer.body;
    const [words = answer.errorName ?? "an error without a name"] = answer.body;
    throw new HbError(String(words));
  }

  /** The next message that is `wanted`, of those not asked for yet. */
  async next(wanted: (message: DbusMessage) => boolean): Promise<DbusMessage> {
    let found = -1;
    await this.#until(() => {
      found = this.#messages.findIndex(wanted);
      return found >= 0;
    });
    const [message] = this.#messages.splice(found, 1);
    if (message === undefined) throw new Error("a message was lost");
    return message;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #until(isSo: () => boolean): Promise<void> {
    const expired = () => this.#fail(new HbError(`no answer in ${ANSWER_MS_MAX / 1000} s`));
    const timer = setTimeout(expired, ANSWER_MS_MAX);
    try {
      while (!isSo()) {
        if (this.#failure !== undefined) throw this.#failure;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  #take(bytes: Uint8Array): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    try {
      if (!this.#isOpen) this.#authenticate();
      if (this.#isOpen) this.#takeMessages();
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    this.#wake?.();
  }

  /** One line from the other side: `OK guid`, or a refusal. */
  #authenticate(): void {
    const end = this.#received.indexOf("\n".charCodeAt(0));
    if (end < 0) return;
    const line = new TextDecoder().decode(this.#received.subarray(0, end)).trim();
    this.#received = this.#received.subarray(end + 1);
    if (!line.startsWith("OK ")) throw new HbError(`this user was refused: ${line}`);
    this.#socket.write("BEGIN\r\n");
    this.#isOpen = true;
  }

  #takeMessages(): void {
    for (;;) {
      const decoded = decodeMessage(this.#received);
      if (decoded === undefined) return;
      this.#received = this.#received.subarray(decoded.length);
      this.#messages.push(decoded.message);
    }
  }
}
