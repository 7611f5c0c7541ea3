/**
 * The one error type that reaches a user, and how it becomes one line.
 *
 * `HbError` is thrown for everything a user, a machine or a registry can get wrong. Anything else
 * that reaches `main.ts` is a defect in hb and is printed as one.
 */

export interface HbErrorOptions {
  /** What went wrong one level below; its message is appended to ours. */
  readonly cause?: unknown;
  /** What to do about it: an imperative phrase, no full stop. */
  readonly hint?: string;
  /** Overrides the exit status of the command that fails: 125 for `run`, 1 elsewhere. */
  readonly exitCode?: number;
}

/** A failure with a cause the user can act on. Messages have no full stop and quote values. */
export class HbError extends Error {
  override readonly name: string = "HbError";
  readonly hint: string | undefined;
  readonly exitCode: number | undefined;

  constructor(message: string, options: HbErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
    this.exitCode = options.exitCode;
  }
}

/** The command line itself is wrong. Exit status 125, as docker's. */
export class UsageError extends HbError {
  override readonly name = "UsageError";

  constructor(message: string, options: HbErrorOptions = {}) {
    super(message, { exitCode: 125, ...options });
  }
}

/**
 * One line for one failure: the message, its causes, then the nearest hint, with control
 * characters escaped because parts of it may come from a registry or an image.
 */
export function formatError(error: unknown): string {
  const parts: string[] = [];
  let hint: string | undefined;
  for (let e: unknown = error; e !== undefined; e = e instanceof Error ? e.cause : undefined) {
    const text = e instanceof Error ? e.message : String(e);
    if (text !== "" && !parts.some((part) => part.includes(text))) parts.push(text);
    if (e instanceof HbError) hint ??= e.hint;
  }
  return printable(parts.join(": ") + (hint === undefined ? "" : `; ${hint}`));
}

/** `text` with control characters as `\xNN`, so that a hostile name cannot drive the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (c) => {
    return `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
