/** When to try again: exponential back-off with jitter, and what the server itself asks for. */

/** How often one request is sent in all. */
export const attemptsMax = 5;
/** A longer Retry-After is not waited for: the user is told instead. */
export const retryAfterMsMax = 120_000;

const firstDelayMs = 500;
const delayMsMax = 15_000;

/** Time as a parameter, so that tests need none. */
export interface Clock {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** From 0 to 1, for jitter. */
  readonly random: () => number;
}

/** The machine's clock. */
export const systemClock: Clock = { now: Date.now, sleep, random: Math.random };

/** The wait before attempt `attempt` (2 is the first retry): doubling, 50 to 100 % of it. */
export function backoffMs(attempt: number, random: () => number): number {
  const full = Math.min(delayMsMax, firstDelayMs * 2 ** (attempt - 2));
  return Math.round(full * (0.5 + random() / 2));
}

/** Statuses that pass by themselves; a 501 or 505 will not. */
export function isPassingStatus(status: number): boolean {
  return [408, 429, 500, 502, 503, 504].includes(status);
}

/** A Retry-After header (RFC 9110 section 10.2.3): seconds or a date. Undefined if unreadable. */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
