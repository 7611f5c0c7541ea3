/**
 * Credential helpers: programs `docker-credential-NAME` with one verb, that talk by standard input
 * and output (github.com/docker/docker-credential-helpers, "Development"). Secrets are in neither
 * their arguments nor their environment, and what they print is in no message; their standard error
 * is the user's.
 */

import { HbError } from "../errors.ts";
import type { Credential } from "../registry/credential.ts";
import type { LoginSecrets } from "./auth-file.ts";

type Verb = "get" | "store" | "erase";

/** The user name that says that the secret is an identity token. */
const tokenUser = "<token>";
const outputBytesMax = 1024 * 1024;

/** Whether the helper is installed. */
export function hasHelper(name: string): boolean {
  return Bun.which(programOf(name)) !== null;
}

/** What the helper `name` has for `key`; undefined if it has nothing. */
export async function getFromHelper(name: string, key: string): Promise<Credential | undefined> {
  const { status, output } = await runHelper(name, "get", key);
  // The protocol has no status of its own for this, only the sentence.
  if (status !== 0 && /credentials not found/i.test(output)) return undefined;
  if (status !== 0) throw failed(name, "get", `it ended with status ${status}`);
  return credentialFrom(name, output);
}

/** The credential in what the helper `name` has printed; undefined if that says there is none. */
export function credentialFrom(name: string, output: string): Credential | undefined {
  const { Username: username, Secret: secret } = parseAnswer(name, output);
  if (typeof username !== "string" || typeof secret !== "string") {
    throw failed(name, "get", "its answer has no Username and Secret");
  }
  const origin = programOf(name);
  if (username === tokenUser) return { kind: "identity", token: secret, origin };
  return username === "" ? undefined : { kind: "basic", username, password: secret, origin };
}

/** Gives the helper `name` a password, or a refresh token, to keep. */
export async function storeInHelper(
  name: string,
  key: string,
  { username, password, refreshToken }: LoginSecrets,
): Promise<void> {
  const kept =
    refreshToken === undefined
      ? { Username: username, Secret: password }
      : { Username: tokenUser, Secret: refreshToken };
  const input = JSON.stringify({ ServerURL: key, ...kept });
  const { status } = await runHelper(name, "store", input);
  if (status !== 0) throw failed(name, "store", `it ended with status ${status}`);
}

/** Lets the helper `name` forget what it has for `key`, if anything. */
export async function eraseFromHelper(name: string, key: string): Promise<void> {
  const { status, output } = await runHelper(name, "erase", key);
  if (status === 0 || /credentials not found/i.test(output)) return;
  throw failed(name, "erase", `it ended with status ${status}`);
}

async function runHelper(
  name: string,
  verb: Verb,
  input: string,
): Promise<{ readonly status: number; readonly output: string }> {
  const program = Bun.which(programOf(name));
  if (program === null) {
    throw failed(name, verb, "the program is not on PATH", "install it, or correct the file");
  }
  try {
    const child = Bun.spawn([program, verb], {
      stdin: new Blob([input]),
      stdout: "pipe",
      stderr: "inherit",
      maxBuffer: outputBytesMax,
    });
    const output = await child.stdout.text();
    return { status: await child.exited, output };
  } catch (error) {
    // Not executable, or no program: the system's code says which.
    if (!(error instanceof Error && "code" in error)) throw error;
    throw failed(name, verb, String(error.code));
  }
}

function parseAnswer(name: string, output: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(output);
    if (typeof value === "object" && value !== null) return { ...value };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw failed(name, "get", "its answer is no JSON object");
}

function programOf(name: string): string {
  return `docker-credential-${name}`;
}

function failed(name: string, verb: Verb, why: string, hint?: string): HbError {
  const doing = `Cannot ${verb} credentials with ${programOf(name)}`;
  return new HbError(`${doing}: ${why}`, hint === undefined ? {} : { hint });
}
