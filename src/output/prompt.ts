/**
 * Questions on the user's terminal: asked on standard error, answered on standard input. An answer
 * that should not be seen is read in raw mode, where Ctrl-C is a character like any other.
 */

import { constants } from "node:os";
import { HbError } from "../errors.ts";
import { drawStatus } from "../output.ts";

/** Whether there is somebody to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Asks each question in turn; a `hidden` one's answer is not echoed. */
export async function ask(
  questions: readonly { readonly text: string; readonly hidden: boolean }[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { stdin } = process;
  const answers: string[] = [];
  const reader = stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let typed = "";
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  // Whoever interrupts later does not interrupt a question.
  aborted.catch(() => undefined);
  // Raw for all of them: what is typed ahead of a hidden question would be echoed otherwise.
  stdin.setRawMode(true);
  try {
    for (const { text, hidden } of questions) {
      drawStatus(text);
      const line = new Line(hidden);
      for (;;) {
        const rest = line.take(typed);
        typed = rest ?? "";
        if (rest !== undefined) break;
        const next = await Promise.race([reader.next(), aborted]);
        if (next.done) throw interrupted();
        typed = Buffer.from(next.value).toString("utf8");
      }
      drawStatus("\n");
      answers.push(line.text);
    }
    return answers;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
  }
}

/** One line as it is typed: Return ends it, Backspace and Ctrl-U take back, Ctrl-C gives up. */
class Line {
  text = "";
  readonly #hidden: boolean;

  constructor(hidden: boolean) {
    this.#hidden = hidden;
  }

  /** Reads `typed`; what follows the line's end, or undefined if it has not come yet. */
  take(typed: string): string | undefined {
    const characters = [...typed];
    for (const [at, character] of characters.entries()) {
      if (character === "\r" || character === "\n") return characters.slice(at + 1).join("");
      if (character === "\x03" || character === "\x04") {
        drawStatus("\n");
        throw interrupted();
      }
      this.#edit(character);
    }
    return undefined;
  }

  #edit(character: string): void {
    const before = [...this.text];
    if (character === "\x7f" || character === "\b") this.#erase(before.slice(0, -1));
    else if (character === "\x15") this.#erase([]);
    else if (character >= " ") {
      this.text += character;
      if (!this.#hidden) drawStatus(character);
    }
  }

  #erase(left: readonly string[]): void {
    const count = [...this.text].length - left.length;
    if (!this.#hidden) drawStatus("\b \b".repeat(count));
    this.text = left.join("");
  }
}

function interrupted(): HbError {
  return new HbError("Interrupted", { exitCode: 128 + constants.signals.SIGINT });
}
