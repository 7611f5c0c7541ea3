/** Exchanges with the test registry and the ways to answer them. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Blob } from "./image.ts";

/** A request as it was received. */
export interface LoggedRequest {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/** What a fault may know of the registry and remember in it. */
export interface Book {
  readonly host: string;
  /** The second host, for redirects. */
  readonly otherPort: number;
  /** Counts calls under a name of the fault's own choice. */
  next(name: string): number;
}

/** One request and everything a fault may want to know or do about it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly kind: "ping" | "manifest" | "blob" | "token" | "other";
  readonly repository: string;
  /** What is asked for, if it exists. */
  readonly blob: Blob | undefined;
  /** An image layer, as opposed to a config. */
  readonly isLayer: boolean;
  /** How often this path has been asked for, this time included. */
  readonly count: number;
  readonly cutAt: number;
  readonly registry: Book;
}

/** Answers the exchange, or returns false to leave it to the next one. */
export type Handler = (exchange: Exchange) => boolean;

/** A complete answer. */
export function send(
  response: ServerResponse,
  status: number,
  body: Uint8Array | string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const length = String(Buffer.byteLength(body));
  response.writeHead(status, { "Content-Length": length, ...headers });
  response.end(body);
}

/** A refusal in the distribution-spec's form. */
export function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = JSON.stringify({ errors: [{ code, message, detail: { secret: "detail" } }] });
  send(response, status, body, { "Content-Type": "application/json", ...headers });
}

/** A blob or the part of it that a Range header asks for, as a good registry does. */
export function sendBlob(request: IncomingMessage, response: ServerResponse, blob: Blob): void {
  const start = rangeStart(request);
  const headers = { "Content-Type": blob.mediaType, "Docker-Content-Digest": blob.digest };
  const { bytes } = blob;
  if (start === undefined) send(response, 200, bytes, headers);
  else if (start >= bytes.length) sendError(response, 416, "RANGE_INVALID", "invalid range");
  else {
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    send(response, 206, bytes.subarray(start), { ...headers, "Content-Range": range });
  }
}

/** The N of `Range: bytes=N-`. */
export function rangeStart(request: IncomingMessage): number | undefined {
  const match = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
  return match === null ? undefined : Number(match[1]);
}
