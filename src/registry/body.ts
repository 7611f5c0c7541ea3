/** Response bodies under limits of size and time. */

/** A server that sends less than this within one stall timeout is taken for dead. */
const progressBytesMin = 1024;

/** How long a body may make no progress. */
export interface StallLimit {
  readonly stallTimeoutMs: number;
}

/** The connection is open but (almost) nothing comes: passing, like a reset connection. */
class StallError extends Error {
  override readonly name = "StallError";
  readonly code = "ETIMEDOUT";
}

/**
 * The body of `response` chunk by chunk, as fast as the consumer takes it: Bun stops reading the
 * socket when nobody reads here. Only time spent waiting for the server counts as a stall. The
 * connection is closed when the consumer stops early.
 */
export async function* readChunks(
  response: Response,
  limit: StallLimit,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  let leftMs = limit.stallTimeoutMs;
  let progressBytes = 0;
  try {
    for (;;) {
      const started = performance.now();
      const result = await withDeadline(reader.read(), leftMs);
      if (result === undefined) throw new StallError("no data for too long");
      if (result.done) return;
      progressBytes += result.value.length;
      leftMs -= performance.now() - started;
      if (progressBytes >= progressBytesMin) {
        progressBytes = 0;
        leftMs = limit.stallTimeoutMs;
      }
      yield result.value;
    }
  } finally {
    await close(reader);
  }
}

/**
 * The same bytes in pieces of at least `bytesMin`, but for the last: what a slow line brings comes
 * by the packet, and every piece costs each of those who take it a turn. What came before a failure
 * is handed out before it.
 */
export async function* gather(
  chunks: AsyncIterable<Uint8Array>,
  bytesMin: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = [];
  let length = 0;
  const take = (): Uint8Array => {
    const all = held.length === 1 && held[0] !== undefined ? held[0] : Buffer.concat(held, length);
    [held, length] = [[], 0];
    return all;
  };
  try {
    for await (const chunk of chunks) {
      held.push(chunk);
      length += chunk.length;
      if (length >= bytesMin) yield take();
    }
  } catch (error) {
    if (length > 0) yield take();
    throw error;
  }
  if (length > 0) yield take();
}

/** The whole body, or undefined if it is longer than `bytesMax`. */
export async function readBounded(
  response: Response,
  bytesMax: number,
  limit: StallLimit,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of readChunks(response, limit)) {
    length += chunk.length;
    if (length > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return new Uint8Array(Bun.concatArrayBuffers(chunks, bytesMax, false));
}

/** The first `bytesMax` bytes of the body as text; what cannot be read in time is left out. */
export async function readText(
  response: Response,
  bytesMax: number,
  limit: StallLimit,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  try {
    for await (const chunk of readChunks(response, limit)) {
      text += decoder.decode(chunk.subarray(0, bytesMax - length), { stream: true });
      length += chunk.length;
      if (length >= bytesMax) break;
    }
  } catch (error) {
    // An error body that breaks off: the status is known and is the better message.
    if (!(error instanceof Error && "code" in error)) throw error;
  }
  return text;
}

/** A body this short is sooner read than its connection is made anew. */
const drainBytesMax = 16 * 1024;

/** Drops an unread body; its connection stays usable if that costs little. */
export async function discard(response: Response): Promise<void> {
  const { body, headers } = response;
  if (body === null || body.locked) return;
  const length = headers.get("content-length");
  const isShort = length !== null && Number(length) < drainBytesMax;
  if (isShort) await readText(response, drainBytesMax, { stallTimeoutMs: 1000 });
  else await close(body);
}

async function close(stream: { cancel(): Promise<void> }): Promise<void> {
  // A stream that has failed repeats its failure here; whoever read it has it already.
  await stream.cancel().catch(() => undefined);
}

/** `promise`, or undefined after `ms`. */
async function withDeadline<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: Timer | undefined;
  const deadline = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
