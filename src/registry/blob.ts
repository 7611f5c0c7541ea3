/**
 * One blob as a stream that survives dropped connections, and ends only if size and digest are
 * those of its descriptor. Never more than a chunk is held.
 *
 * A consumer must not commit anything before the stream's end: the digest is known only there.
 */

import type { Descriptor } from "../image/descriptor.ts";
import { digestAlgorithm, digestHex, shortDigest } from "../image/digest.ts";
import { discard, gather, readChunks, type StallLimit } from "./body.ts";
import { isPassing, networkCode } from "./network.ts";
import { networkError, RegistryError } from "./registry-error.ts";
import { attemptsMax, backoffMs, type Clock } from "./retry.ts";

/** A connection that brought this much before it broke does not count towards giving up. */
const progressBytesMin = 1024 * 1024;

/** What is hashed and decompressed at a time; a fast connection brings more at once. */
const pieceBytesMin = 64 * 1024;

export interface BlobRequest {
  readonly descriptor: Descriptor;
  /** The beginning of an error message. */
  readonly doing: string;
  /** The registry, for messages. */
  readonly host: string;
  /** Asks for the blob from `start` on: 200 (all of it), 206 or 416 come back. */
  readonly open: (start: number) => Promise<Response>;
  readonly clock: Clock;
  readonly limit: StallLimit;
  readonly signal?: AbortSignal | undefined;
}

/** The bytes in order, each once, whatever happens on the way; the end throws if one is wrong. */
export async function* streamBlob(
  request: BlobRequest,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { descriptor, doing } = request;
  const hasher = new Bun.CryptoHasher(digestAlgorithm(descriptor.digest));
  const position = { received: 0 };
  for (let failures = 0; ; ) {
    const before = position.received;
    try {
      for await (const chunk of readFrom(request, position)) {
        hasher.update(chunk);
        yield chunk;
      }
      if (position.received === descriptor.size) break;
      throw new ShortBodyError(`the body ended after ${position.received} bytes`);
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      // Whole already: how the connection ended does not matter.
      if (position.received === descriptor.size && isPassing(error)) break;
      if (error instanceof RegistryError || !isPassing(error)) throw error;
      failures = position.received - before >= progressBytesMin ? 1 : failures + 1;
      if (failures >= attemptsMax) throw givenUp(request, position.received, error);
      await request.clock.sleep(backoffMs(failures + 1, request.clock.random), request.signal);
    }
  }
  const hex = hasher.digest("hex");
  if (hex === digestHex(descriptor.digest)) return;
  throw new RegistryError(`${doing}: its content does not match its digest`, {
    code: "DIGEST_INVALID",
    hint: `the registry, or something on the way, sent other bytes (${hex.slice(0, 12)}…)`,
  });
}

/** Bytes that ended too early without an error of the connection; passing, like a reset. */
class ShortBodyError extends Error {
  override readonly name = "ShortBodyError";
  readonly code = "ECONNRESET";
}

/** What one connection brings beyond `position.received`, which it advances. */
async function* readFrom(
  request: BlobRequest,
  position: { received: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { descriptor, limit } = request;
  const response = await openAt(request, position.received);
  let skip = position.received - checkStart(request, response, position.received);
  for await (const chunk of gather(readChunks(response, limit), pieceBytesMin)) {
    const fresh = skip === 0 ? chunk : chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
    if (fresh.length === 0) continue;
    if (position.received + fresh.length > descriptor.size) throw wrongSize(request, "more");
    position.received += fresh.length;
    yield fresh;
  }
}

/** The blob from `start`, or all of it from a server that will not serve that range. */
async function openAt(request: BlobRequest, start: number): Promise<Response> {
  const response = await request.open(start);
  if (response.status !== 416) return response;
  await discard(response);
  const whole = await request.open(0);
  if (whole.status !== 416) return whole;
  throw new RegistryError(`${request.doing}: 416 range not satisfiable`, { status: 416 });
}

/** Where the body of `response` begins; what its headers say must fit the descriptor. */
function checkStart(request: BlobRequest, response: Response, wanted: number): number {
  const { size } = request.descriptor;
  const length = parseLength(response.headers.get("content-length"));
  if (response.status === 200) {
    if (length !== undefined && length !== size) throw wrongSize(request, String(length));
    return 0;
  }
  const range = /^bytes (\d{1,16})-\d{1,16}\/(\d{1,16}|\*)$/.exec(
    response.headers.get("content-range")?.trim() ?? "",
  );
  const start = Number(range?.[1] ?? Number.NaN);
  const total = range?.[2];
  if (total !== undefined && total !== "*" && Number(total) !== size) {
    throw wrongSize(request, total);
  }
  if (start <= wanted) return start;
  throw new RegistryError(`${request.doing}: ${request.host} answers with another range`, {
    status: response.status,
    code: "RANGE_INVALID",
  });
}

function parseLength(header: string | null): number | undefined {
  return header !== null && /^\d{1,16}$/.test(header) ? Number(header) : undefined;
}

function wrongSize(request: BlobRequest, got: string): RegistryError {
  const { descriptor, doing } = request;
  const message = `${doing}: its size should be ${descriptor.size} bytes, the registry has ${got}`;
  return new RegistryError(message, {
    code: "SIZE_INVALID",
    hint: `blob ${shortDigest(descriptor.digest)} is damaged at the registry, or on the way`,
  });
}

function givenUp(request: BlobRequest, received: number, cause: unknown): RegistryError {
  if (!(cause instanceof ShortBodyError)) {
    const of = `${received} of ${request.descriptor.size} bytes`;
    return networkError(`${request.doing} after ${of}`, request.host, cause);
  }
  return new RegistryError(
    `${request.doing}: it ends after ${received} of ${request.descriptor.size} bytes`,
    { code: networkCode(cause), hint: "the blob is truncated at the registry, or on the way" },
  );
}
