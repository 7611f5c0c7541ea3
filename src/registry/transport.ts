/**
 * Requests that survive a flaky network: bounded retries with back-off, and redirects followed by
 * hand, because a credential must not follow one to another host. Only a GET follows any: what
 * another request sends may be secret, and its caller gets the redirect as the answer.
 *
 * Bodies are never decompressed here: a blob's digest is over the bytes as stored, whatever
 * Content-Encoding a file server claims for them.
 */

import ky from "ky";
import { discard } from "./body.ts";
import { isPassing, networkCode } from "./network.ts";
import { describeWait, networkError, proxyError, RegistryError } from "./registry-error.ts";
import {
  attemptsMax,
  backoffMs,
  type Clock,
  isPassingStatus,
  parseRetryAfter,
  retryAfterMsMax,
} from "./retry.ts";
import type { TlsOptions } from "./trust.ts";

export const redirectsMax = 5;
/** A wait longer than this is worth a line to the user. */
const noticeableWaitMs = 3000;

const bodyBytesPerSecondMin = 32 << 10;
/** What setTimeout(3) of JavaScript can take. */
const timeoutMsMax = 2 ** 31 - 1;

export interface TransportOptions {
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  /** False: certificates are not checked. */
  readonly tlsVerify: boolean;
  /** Whom to trust in a connection to `host[:port]`. */
  readonly tlsFor: (host: string) => TlsOptions;
  /** The proxy on the way to `url`; false for none. */
  readonly proxyFor: (url: URL) => string | false;
  readonly userAgent: string;
  /** How long a server may take to begin its answer. */
  readonly headerTimeoutMs: number;
  readonly notice: (line: string) => void;
}

/** What a registry client says. */
export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface HttpRequest {
  /** The beginning of an error message, as `Cannot get manifest docker.io/library/x:1`. */
  readonly doing: string;
  readonly url: URL;
  /** GET if absent. Sent again when it fails in passing, so it must bear that. */
  readonly method?: HttpMethod;
  readonly body?: Blob | string;
  /** Told how many bytes of a Blob are on their way; with another attempt it begins anew. */
  readonly onSent?: (bytes: number) => void;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the origin of `url` only. */
  readonly authorization?: string | undefined;
  /** The answer's digest is known: it may come over any channel. */
  readonly isAddressedByDigest?: boolean;
  readonly attempts?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly response: Response;
  /** Where the last redirect led; the body and the status are that host's. */
  readonly url: URL;
  /** Another origin than the one asked has answered. */
  readonly isRedirected: boolean;
  readonly retryAfterMs: number | undefined;
}

/** One HTTP client, for registries and token endpoints alike. */
export class Transport {
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /**
   * The answer to a request, whatever its status; passing failures have been retried. Throws a
   * RegistryError when there is no answer, and the signal's reason when it aborts.
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const { clock } = this.#options;
    const attempts = request.attempts ?? attemptsMax;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#try(request);
      const isLast = attempt >= attempts;
      let waitMs = backoffMs(attempt + 1, clock.random);
      if (outcome instanceof RegistryError) {
        if (isLast || !isPassing(outcome)) throw outcome;
      } else {
        const { retryAfterMs = 0, response } = outcome;
        const isWorthWaiting = retryAfterMs <= retryAfterMsMax;
        if (isLast || !isPassingStatus(response.status) || !isWorthWaiting) return outcome;
        waitMs = Math.max(waitMs, retryAfterMs);
        await discard(response);
        if (waitMs >= noticeableWaitMs) {
          const why = `${outcome.url.host} answers ${response.status}`;
          this.#options.notice(`${why}: trying again in ${describeWait(waitMs)}`);
        }
      }
      await clock.sleep(waitMs, request.signal);
    }
  }

  /** One attempt: an answer, or the error of having none. */
  async #try(request: HttpRequest): Promise<HttpAnswer | RegistryError> {
    try {
      return await this.#follow(request);
    } catch (error) {
      if (request.signal?.aborted || !(error instanceof RegistryError)) throw error;
      return error;
    }
  }

  async #follow(request: HttpRequest): Promise<HttpAnswer> {
    let url = request.url;
    let authorization = request.authorization;
    let isRedirected = false;
    for (let hop = 0; hop <= redirectsMax; hop++) {
      const response = await this.#fetch(request, url, authorization);
      // A text is a question that may hold a secret: it goes nowhere else.
      const isText = typeof request.body === "string";
      const location = isText ? undefined : redirectLocation(response, request.method);
      if (location === undefined) {
        const header = response.headers.get("retry-after");
        const retryAfterMs = parseRetryAfter(header, this.#options.clock.now());
        return { response, url, isRedirected, retryAfterMs };
      }
      await discard(response);
      const next = nextUrl(request, url, location);
      if (next.origin !== url.origin) {
        authorization = undefined;
        isRedirected = true;
      }
      url = next;
    }
    throw new RegistryError(`${request.doing}: more than ${redirectsMax} redirects`, {
      hint: "it sends its clients in circles: tell its operator",
    });
  }

  async #fetch(
    request: HttpRequest,
    url: URL,
    authorization: string | undefined,
  ): Promise<Response> {
    const options = this.#options;
    const headers: Record<string, string> = {
      ...request.headers,
      "accept-encoding": "identity",
      "user-agent": options.userAgent,
    };
    if (authorization !== undefined) headers.authorization = authorization;
    const tls = options.tlsFor(url.host);
    const proxy = options.proxyFor(url);
    const bunOptions = {
      decompress: false,
      tls: options.tlsVerify ? tls : { ...tls, rejectUnauthorized: false },
      // The environment has been read: fetch shall not do it again by rules of its own.
      proxy: proxy === false ? proxy : { url: proxy, respectNoProxy: false },
    };
    const { method = "GET", onSent } = request;
    // A body is given time to go out, at a rate below which nothing is worth waiting for.
    const bodyBytes = request.body instanceof Blob ? request.body.size : 0;
    const sendMs = (bodyBytes / bodyBytesPerSecondMin) * 1000;
    let body: string | Blob | ReadableStream<Uint8Array> | undefined = request.body;
    if (body instanceof Blob && bodyBytes > 0 && onSent !== undefined) {
      // A stream's length is not seen; without it a server is sent chunks, which some refuse.
      headers["content-length"] = String(bodyBytes);
      body = counted(body, onSent);
    }
    try {
      return await ky(url, {
        ...bunOptions,
        method,
        ...(body === undefined ? {} : { body }),
        headers,
        redirect: "manual",
        retry: 0,
        throwHttpErrors: false,
        timeout: Math.min(options.headerTimeoutMs + sendMs, timeoutMsMax),
        fetch: options.fetch,
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      });
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      // Without a code it is no network failure but a defect of ours.
      if (networkCode(error) === "") throw error;
      if (proxy === false) throw networkError(request.doing, url.host, error);
      throw proxyError(request.doing, url.host, new URL(proxy).host, error);
    }
  }
}

/** The bytes of `body`, reported as they are taken. */
function counted(body: Blob, onSent: (bytes: number) => void): ReadableStream<Uint8Array> {
  let sent = 0;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      sent += chunk.length;
      onSent(sent);
      controller.enqueue(chunk);
    },
  });
  return body.stream().pipeThrough(count);
}

/** With 301, 302 and 303 a POST would become a GET (RFC 9110 section 15.4): no upload any more. */
function redirectLocation(response: Response, method: HttpMethod = "GET"): string | undefined {
  const isRead = method === "GET" || method === "HEAD";
  const statuses = isRead ? [301, 302, 303, 307, 308] : [307, 308];
  if (!statuses.includes(response.status)) return undefined;
  return response.headers.get("location") ?? undefined;
}

function nextUrl(request: HttpRequest, from: URL, location: string): URL {
  const next = URL.parse(location, from.href);
  if (next === null || !(next.protocol === "https:" || next.protocol === "http:")) {
    throw new RegistryError(`${request.doing}: ${from.host} redirects to no usable address`, {});
  }
  // What a tag means would be up to anyone on the path; a digest proves its content itself.
  const isDowngrade = from.protocol === "https:" && next.protocol === "http:";
  if (isDowngrade && request.isAddressedByDigest !== true) {
    throw new RegistryError(`${request.doing}: ${from.host} redirects from HTTPS to plain HTTP`, {
      // Of what has no digest at all nobody can say better.
      ...(request.isAddressedByDigest === undefined
        ? {}
        : { hint: "pull by digest, which proves the content whatever the channel" }),
    });
  }
  next.username = "";
  next.password = "";
  return next;
}
