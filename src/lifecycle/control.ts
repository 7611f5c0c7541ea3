/** What is asked of a container's supervisor, by way of `hb-init control` and its socket. */

import { HbError } from "../errors.ts";
import { helperFailure, spawnHelper } from "../helper/binary.ts";
import type { Known } from "./select.ts";

/** A question, in the helper's words. */
export type Request =
  | readonly ["signal", string]
  /** The signal, and milliseconds until SIGKILL; -1: never. */
  | readonly ["stop", string, string]
  | readonly ["wait"]
  | readonly ["restart-policy", string, string];

/** `gone`: there is no supervisor, or there was none any more before it could answer. */
export type Answer =
  | { readonly kind: "ok" | "gone" }
  | { readonly kind: "exited"; readonly exitCode: number };

/** Asks and waits for the answer; `signal` gives up waiting. */
export async function ask(known: Known, request: Request, signal?: AbortSignal): Promise<Answer> {
  const child = spawnHelper(["control", known.directory, ...request]);
  const stop = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", stop);
  try {
    const { stdout, stderr } = child;
    const [said, failed] = await Promise.all([textOf(stdout), textOf(stderr)]);
    const exitCode = await child.exited;
    if (signal?.aborted) return { kind: "gone" };
    const [, word, rest = ""] = /^(ok|gone|exited|error)(?: (.*))?\n$/s.exec(said) ?? [];
    if (word === "ok" || word === "gone") return { kind: word };
    if (word === "exited") return { kind: "exited", exitCode: Number(rest) };
    throw word === "error" ? new HbError(rest) : helperFailure(failed, exitCode);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

async function textOf(stream: Bun.Subprocess["stdout"]): Promise<string> {
  return stream instanceof ReadableStream ? await new Response(stream).text() : "";
}
