/** The misbehaviours of the test registry; `bun tests/registry/main.ts --list` shows them. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { type Exchange, type Handler, rangeStart, send, sendBlob, sendError } from "./answer.ts";
import {
  type Blob,
  describeBlob,
  type Image,
  indexType,
  jsonBlob,
  makeBlob,
  makeIndex,
  manifestType,
  randomImage,
} from "./image.ts";
import { logins } from "./logins.ts";
import { tokens, unauthorized } from "./tokens.ts";

export interface Fault {
  readonly about: string;
  readonly handle?: Handler;
  /** Images that exist under this fault only; `test/image:latest` replaces the usual one. */
  readonly images?: () => Readonly<Record<string, Image>>;
}

/** Every fault; the name says what the client meets. */
export const faults = {
  none: { about: "a good registry" },
  ...logins,

  "token-required": { about: "401 until a bearer token is shown", handle: tokens({}) },
  "access-token": {
    about: "the token endpoint says access_token instead of token",
    handle: tokens({ answer: (token) => ({ access_token: token }) }),
  },
  "short-lived-token": {
    about: "each token is good for two requests only, whatever expires_in said",
    handle: tokens({ uses: 2 }),
  },
  "no-token": {
    about: "the token endpoint sends no token",
    handle: tokens({ answer: () => ({}) }),
  },
  "bad-token": {
    about: "the token endpoint sends a token with a line break",
    handle: tokens({ answer: () => ({ token: "a\r\nX-Evil: 1" }) }),
  },
  "token-denied": {
    about: "the token endpoint refuses",
    handle: tokens({ deny: true }),
  },
  "auth-loop": { about: "401 whatever token is shown", handle: tokens({ uses: 0 }) },
  "basic-only": {
    about: "401 with a Basic challenge",
    handle: ({ response, kind }) =>
      kind !== "ping" && unauthorized(response, 'Basic realm="private"'),
  },
  "insecure-realm": {
    about: "the token endpoint is at ftp:",
    handle: ({ response }) => unauthorized(response, 'Bearer realm="ftp://tokens.invalid/"'),
  },
  "garbled-challenge": {
    about: "a WWW-Authenticate header that is no challenge",
    handle: ({ response, kind }) => kind !== "ping" && unauthorized(response, 'Bearer realm="open'),
  },

  "drop-once": { about: "the first connection for a layer breaks midway", handle: cut(1) },
  "drop-thrice": { about: "three connections for a layer break midway", handle: cut(3) },
  "drop-always": { about: "every connection for a layer breaks at the same byte", handle: cut() },
  "drop-no-range": {
    about: "breaks midway, then ignores Range",
    handle: either(cut(1), ({ request, response, blob, isLayer }) => {
      if (!isLayer || blob === undefined) return false;
      delete request.headers.range;
      sendBlob(request, response, blob);
      return true;
    }),
  },
  "drop-416": {
    about: "breaks midway, then answers every Range with 416",
    handle: either(cut(1), ({ request, response, isLayer }) => {
      if (!isLayer || rangeStart(request) === undefined) return false;
      sendError(response, 416, "RANGE_INVALID", "invalid range");
      return true;
    }),
  },
  "drop-other-range": {
    about: "breaks midway, then answers with a range further on",
    handle: either(cut(1), ({ request, response, blob, isLayer }) => {
      const start = rangeStart(request);
      if (!isLayer || start === undefined || blob === undefined) return false;
      request.headers.range = `bytes=${start + 1}-`;
      sendBlob(request, response, blob);
      return true;
    }),
  },
  "drop-manifest": {
    about: "the first connection for a manifest breaks midway",
    handle: (exchange) => exchange.kind === "manifest" && exchange.count === 1 && cutBody(exchange),
  },
  "hang-up-once": {
    about: "the first request of every path is hung up on without an answer",
    handle: ({ count, request, kind }) => {
      if (kind === "ping" || count > 1) return false;
      request.socket.destroy();
      return true;
    },
  },
  stall: { about: "a layer stops coming midway, once", handle: stall(1) },
  "stall-always": { about: "a layer never comes further than its middle", handle: stall() },
  trickle: { about: "a layer comes a byte at a time", handle: onLayer(trickle) },
  silent: {
    about: "requests are accepted and never answered",
    handle: ({ kind }) => kind !== "ping",
  },

  "wrong-digest": { about: "layers differ in one byte", handle: onLayer(sendFlipped) },
  "wrong-config": {
    about: "the config differs in one byte",
    handle: (exchange) =>
      exchange.kind === "blob" && !exchange.isLayer && withBlob(exchange, sendFlipped),
  },
  "wrong-manifest": {
    about: "manifests differ in one byte from what their digest says",
    handle: (exchange) => exchange.kind === "manifest" && withBlob(exchange, sendFlipped),
  },
  "too-long": {
    about: "layers have a byte too many",
    handle: onLayer((_request, response, blob) => {
      send(response, 200, Buffer.concat([blob.bytes, Buffer.from("x")]));
    }),
  },
  "too-long-unannounced": {
    about: "layers have a byte too many and no Content-Length",
    handle: onLayer((_request, response, blob) => {
      response.writeHead(200);
      response.write(blob.bytes);
      response.end("x");
    }),
  },
  truncated: {
    about: "layers end early, properly and always",
    handle: onLayer((_request, response, blob) => {
      response.writeHead(200);
      response.end(blob.bytes.subarray(0, blob.bytes.length - 10));
    }),
  },
  "no-content-length": {
    about: "manifests, configs and layers come in chunks, without Content-Length",
    handle: (exchange) =>
      withBlob(exchange, (_request, response, { bytes, mediaType }) => {
        response.writeHead(200, { "Content-Type": mediaType });
        response.write(bytes.subarray(0, 3));
        response.end(bytes.subarray(3));
      }),
  },
  untyped: {
    about: "everything is served as application/octet-stream",
    handle: (exchange) =>
      withBlob(exchange, (request, response, blob) => {
        sendBlob(request, response, { ...blob, mediaType: "application/octet-stream" });
      }),
  },
  "content-encoding": {
    about: "gzip layers are labelled Content-Encoding: gzip",
    handle: onLayer((_request, response, blob) => {
      send(response, 200, blob.bytes, { "Content-Encoding": "gzip" });
    }),
  },
  "no-head": {
    about: "HEAD is not allowed",
    handle: ({ request, response }) => {
      if (request.method !== "HEAD") return false;
      sendError(response, 405, "UNSUPPORTED", "method not allowed");
      return true;
    },
  },
  "missing-blob": {
    about: "layers are not found",
    handle: onLayer((_request, response) => {
      sendError(response, 404, "BLOB_UNKNOWN", "blob unknown to registry");
    }),
  },

  "rate-limit-once": {
    about: "429 with Retry-After: 1, once per path",
    handle: failing(1, (response) => tooMany(response, "1")),
  },
  "rate-limit-always": {
    about: "429 with Retry-After: 100, always",
    handle: failing(Number.POSITIVE_INFINITY, (response) => tooMany(response, "100")),
  },
  "rate-limit-hours": {
    about: "429 with Retry-After: six hours, always",
    handle: failing(Number.POSITIVE_INFINITY, (response) => tooMany(response, "21600")),
  },
  "error-twice": {
    about: "500 twice per path",
    handle: failing(2, (response) => sendError(response, 500, "UNKNOWN", "database is away")),
  },
  "error-always": {
    about: "503 with a web page, always",
    handle: failing(Number.POSITIVE_INFINITY, (response) => {
      send(response, 503, "<html>down</html>", { "Content-Type": "text/html" });
    }),
  },
  denied: {
    about: "403 for everything",
    handle: failing(Number.POSITIVE_INFINITY, (response) => {
      sendError(response, 403, "DENIED", "requested access to the resource is denied");
    }),
  },
  "endless-error": {
    about: "404 with a body that does not end",
    handle: failing(Number.POSITIVE_INFINITY, (response) => {
      response.writeHead(404);
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(65536)));
      };
      response.on("drain", more);
      more();
    }),
  },

  "redirect-elsewhere": {
    about: "a token is required; blobs are redirected to another host, which refuses one",
    handle: either(tokens({}), ({ response, blob, kind, registry }) => {
      if (kind !== "blob" || blob === undefined) return false;
      const path = `store/${blob.digest}?signature=secret`;
      const address = `http://127.0.0.1:${registry.otherPort}/${path}`;
      send(response, 307, "", { Location: address });
      return true;
    }),
  },
  "redirect-loop": {
    about: "blobs are redirected to themselves",
    handle: ({ response, url, kind }) => {
      if (kind !== "blob") return false;
      send(response, 302, "", { Location: url.pathname });
      return true;
    },
  },
  "redirect-nowhere": {
    about: "manifests are redirected to a file: address",
    handle: ({ response, kind }) => {
      if (kind !== "manifest") return false;
      send(response, 301, "", { Location: "file:///etc/passwd" });
      return true;
    },
  },

  "large-manifest": {
    about: "a manifest of 5 MiB",
    images: () => only(jsonBlob({ padding: "x".repeat(5 * 1024 * 1024) }, manifestType)),
  },
  "index-loop": { about: "an index in an index, ten deep", images: nestedIndexes },
  "wrong-type": {
    about: "the manifest is served under the index's type",
    handle: ({ response, kind, blob }) => {
      if (kind !== "manifest" || blob === undefined) return false;
      send(response, 200, blob.bytes, { "Content-Type": indexType });
      return true;
    },
  },
  "web-page": {
    about: "manifests are a log-in page",
    handle: ({ response, kind }) => {
      if (kind !== "manifest") return false;
      send(response, 200, "<html>Welcome</html>", { "Content-Type": "text/html; charset=utf-8" });
      return true;
    },
  },
  "not-json": { about: "the manifest is no JSON", images: () => only(makeBlob("{", manifestType)) },
  "two-faced": {
    about: "the manifest has manifests and layers",
    images: () => {
      const { top, blobs } = randomImage();
      const value = { ...JSON.parse(Buffer.from(top.bytes).toString()), manifests: [] };
      return only(jsonBlob(value, manifestType), blobs);
    },
  },
  "schema-1": {
    about: "the manifest is docker's schema 1",
    images: () => {
      const type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
      return only(jsonBlob({ schemaVersion: 1, name: "test/image", fsLayers: [] }, type));
    },
  },
  "path-digest": {
    about: "a layer's digest is a path",
    images: () => {
      const { top, blobs } = randomImage();
      const value = JSON.parse(Buffer.from(top.bytes).toString());
      value.layers[0].digest = "sha256:../../../../etc";
      return only(jsonBlob(value, manifestType), blobs);
    },
  },
  "wrong-diff-id": {
    about: "the config's diffIDs are not those of the layers",
    images: () => {
      const { blobs } = randomImage();
      const [config, ...layers] = blobs;
      const value = JSON.parse(Buffer.from(config?.bytes ?? []).toString());
      value.rootfs.diff_ids = layers.map(({ digest }) => digest);
      const changed = jsonBlob(value, config?.mediaType ?? "");
      const members = { config: describeBlob(changed), layers: layers.map((l) => describeBlob(l)) };
      const top = jsonBlob({ schemaVersion: 2, mediaType: manifestType, ...members }, manifestType);
      return only(top, [changed, ...layers]);
    },
  },
  "other-platform": {
    about: "an index without an image for this machine",
    images: () => {
      const platform = { os: "linux", architecture: "s390x" };
      return { "test/image:latest": makeIndex([{ image: randomImage(), platform }]) };
    },
  },
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof faults;

export function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(faults, name);
}

/** The first handler that answers. */
function either(...handlers: readonly Handler[]): Handler {
  return (exchange) => handlers.some((handle) => handle(exchange));
}

type Sender = (request: IncomingMessage, response: ServerResponse, blob: Blob) => void;

function onLayer(answer: Sender): Handler {
  return (exchange) => exchange.isLayer && withBlob(exchange, answer);
}

function withBlob({ request, response, blob }: Exchange, answer: Sender): boolean {
  if (blob === undefined) return false;
  answer(request, response, blob);
  return true;
}

/** Breaks a layer's connection at `cutAt`, `times` times; a resumed one after as much again. */
function cut(times = Number.POSITIVE_INFINITY): Handler {
  return (exchange) => exchange.isLayer && exchange.count <= times && cutBody(exchange);
}

function cutBody(exchange: Exchange): boolean {
  startBody(exchange, () => exchange.response.destroy());
  return true;
}

function stall(times = Number.POSITIVE_INFINITY): Handler {
  return (exchange) => {
    if (!exchange.isLayer || exchange.count > times) return false;
    startBody(exchange, () => undefined);
    return true;
  };
}

/** Promises the rest of the blob, sends up to `cutAt`, and then does `end`. */
function startBody({ request, response, blob, cutAt }: Exchange, end: () => void): void {
  const bytes = blob?.bytes ?? new Uint8Array();
  const start = rangeStart(request) ?? 0;
  const range = { "Content-Range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(start > 0 ? 206 : 200, {
    "Content-Type": blob?.mediaType ?? "",
    "Content-Length": String(bytes.length - start),
    ...(start > 0 ? range : {}),
  });
  // A client may drop what came together with a reset, so the bytes get a head start.
  const headStartMs = 60;
  response.write(bytes.subarray(start, Math.max(start, cutAt)), () => setTimeout(end, headStartMs));
  if (start >= cutAt) setTimeout(end, headStartMs);
}

function trickle(_request: IncomingMessage, response: ServerResponse, blob: Blob): void {
  response.writeHead(200, { "Content-Length": String(blob.bytes.length) });
  let sent = 0;
  const timer = setInterval(() => response.write(blob.bytes.subarray(sent, ++sent)), 10);
  response.on("close", () => clearInterval(timer));
}

function sendFlipped(_request: IncomingMessage, response: ServerResponse, blob: Blob): void {
  const bytes = Buffer.from(blob.bytes);
  // Inside the last string or number of JSON, and anywhere in a layer: it still parses.
  const at = bytes.findLastIndex((byte) => /[0-9a-e]/.test(String.fromCharCode(byte)));
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  send(response, 200, bytes, {
    "Content-Type": blob.mediaType,
    "Docker-Content-Digest": blob.digest,
  });
}

/** `answer` for the first `times` requests of every path but the ping. */
function failing(times: number, answer: (response: ServerResponse) => void): Handler {
  return ({ response, count, kind }) => {
    if (kind === "ping" || count > times) return false;
    answer(response);
    return true;
  };
}

function tooMany(response: ServerResponse, retryAfter: string): void {
  const message = "you have reached your pull rate limit";
  sendError(response, 429, "TOOMANYREQUESTS", message, { "Retry-After": retryAfter });
}

function only(top: Blob, blobs: readonly Blob[] = []): Readonly<Record<string, Image>> {
  return { "test/image:latest": { top, documents: [top], blobs } };
}

function nestedIndexes(): Readonly<Record<string, Image>> {
  let image = randomImage();
  for (let depth = 0; depth < 10; depth++) image = makeIndex([{ image }]);
  return { "test/image:latest": image };
}
