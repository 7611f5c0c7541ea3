/**
 * A file from any web server, by the way registries are asked: proxies, CAs, retries, and a
 * connection that breaks is taken up again where it broke.
 *
 * No digest says what the file should be. So it goes on only where the server says that it is still
 * the same one (RFC 9110, section 13.1.5, "If-Range").
 */

import { discard, readChunks } from "./body.ts";
import { isPassing } from "./network.ts";
import { proxyFor } from "./proxy.ts";
import { answerError, networkError, RegistryError } from "./registry-error.ts";
import { attemptsMax, backoffMs, type Clock, systemClock } from "./retry.ts";
import { Transport } from "./transport.ts";
import { TrustStore } from "./trust.ts";

const headerTimeoutMs = 30_000;
const limit = { stallTimeoutMs: 30_000 };

export interface DownloadOptions {
  /** The beginning of an error message. */
  readonly doing: string;
  /** False: certificates are not checked. */
  readonly tlsVerify: boolean;
  /** A file of CAs to trust besides the system's. */
  readonly cacert?: string | undefined;
  readonly notice: (line: string) => void;
  /** Told the file's size, once it is known. */
  readonly onSize: (bytes: number) => void;
  readonly signal: AbortSignal;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/** The bytes of the file at `url`, whose user and password are shown to its server alone. */
export async function* download(
  url: URL,
  options: DownloadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { doing, signal, clock = systemClock } = options;
  const file = new RemoteFile(url, options, clock);
  let received = 0;
  for (let failures = 0; ; ) {
    const before = received;
    try {
      const { response, skip } = await file.open(received);
      let ignored = skip;
      for await (const chunk of readChunks(response, limit)) {
        const fresh = ignored === 0 ? chunk : chunk.subarray(ignored);
        ignored = Math.max(0, ignored - chunk.length);
        received += fresh.length;
        if (fresh.length > 0) yield fresh;
      }
      if (file.size === undefined || received === file.size) return;
      throw new BrokenOff(`the body ended after ${received} bytes`);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof RegistryError || !isPassing(error)) throw error;
      failures = received > before ? 1 : failures + 1;
      if (failures >= attemptsMax || !file.isKnown) {
        throw networkError(`${doing} after ${received} bytes`, url.host, error);
      }
      await clock.sleep(backoffMs(failures + 1, clock.random), signal);
    }
  }
}

/** Bytes that ended too early without an error of the connection; passing, like a reset. */
class BrokenOff extends Error {
  override readonly name = "BrokenOff";
  readonly code = "ECONNRESET";
}

class RemoteFile {
  readonly #url: URL;
  readonly #authorization: string | undefined;
  readonly #options: DownloadOptions;
  readonly #transport: Transport;
  /** What the server calls this state of the file. */
  #validator: string | undefined;
  /** Its length; undefined where the server does not tell. */
  size: number | undefined;

  constructor(url: URL, options: DownloadOptions, clock: Clock) {
    const { tlsVerify, cacert, notice } = options;
    const { env } = process;
    const trust = new TrustStore({ env, cacert });
    this.#url = new URL(url);
    this.#authorization = authorizationOf(url);
    this.#url.username = "";
    this.#url.password = "";
    this.#options = options;
    this.#transport = new Transport({
      fetch: globalThis.fetch,
      clock,
      tlsVerify,
      tlsFor: (host) => trust.tlsFor(host, url.host),
      proxyFor: (asked) => proxyFor(asked, env),
      userAgent: "hb",
      headerTimeoutMs,
      notice,
    });
  }

  /** Whether the server can say that it is still the same file. */
  get isKnown(): boolean {
    return this.#validator !== undefined;
  }

  /** The file from `start`, or all of it with `start` bytes to skip. */
  async open(start: number): Promise<{ readonly response: Response; readonly skip: number }> {
    const { doing, signal, onSize } = this.#options;
    const range = { range: `bytes=${start}-`, "if-range": this.#validator ?? "" };
    const { response, url, retryAfterMs } = await this.#transport.send({
      doing,
      url: this.#url,
      authorization: this.#authorization,
      headers: start === 0 ? {} : range,
      signal,
    });
    const { status, headers } = response;
    if (status !== 200 && !(status === 206 && start > 0)) {
      await discard(response);
      throw refusal(doing, status, url.host, retryAfterMs);
    }
    if (start === 0) {
      this.#validator = validatorOf(headers);
      this.size = sizeOf(headers);
      if (this.size !== undefined) onSize(this.size);
      return { response, skip: 0 };
    }
    const begins = new RegExp(`^bytes ${start}-`).test(headers.get("content-range") ?? "");
    if (status === 206 && begins) return { response, skip: 0 };
    if (status === 200 && validatorOf(headers) === this.#validator) {
      return { response, skip: start };
    }
    await discard(response);
    throw new RegistryError(`${doing}: it has changed since its first ${start} bytes came`, {
      hint: "try again",
    });
  }
}

/** A strong ETag or a date (RFC 9110, section 8.8.1): what may stand in If-Range. */
function validatorOf(headers: Headers): string | undefined {
  const tag = headers.get("etag");
  return tag?.startsWith('"') ? tag : (headers.get("last-modified") ?? undefined);
}

function sizeOf(headers: Headers): number | undefined {
  const text = headers.get("content-length") ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function authorizationOf({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  const pair = `${decoded(username)}:${decoded(password)}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text; // a percent sign that is meant as one
    throw error;
  }
}

/** What registries say in an error's body is not looked for, and names have no tags. */
function refusal(
  doing: string,
  status: number,
  host: string,
  retryAfterMs: number | undefined,
): RegistryError {
  const later = retryAfterMs === undefined ? {} : { retryAfterMs };
  const loginHint = "write http…://USER:PASSWORD@HOST/…, where it wants to know who asks";
  const error = answerError(doing, { status, body: "", host, loginHint, ...later });
  return status === 404 ? new RegistryError(error.message, { status }) : error;
}
