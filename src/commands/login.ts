/** `hb login`: a user name and password, tried with the registry and then kept. */

import { credentialFinder } from "../credentials/find.ts";
import { keepLogin } from "../credentials/keep.ts";
import { currentSurroundings } from "../credentials/places.ts";
import { parseTarget } from "../credentials/target.ts";
import { HbError, UsageError } from "../errors.ts";
import { interruptible } from "../host/interrupt.ts";
import type { LoginOptions } from "../options/login.ts";
import { ask, canAsk } from "../output/prompt.ts";
import { printNotice, printResult } from "../output.ts";
import { logIn } from "../registry/client.ts";
import type { Credential } from "../registry/credential.ts";
import { RegistryError } from "../registry/registry-error.ts";

/** Says `Login Succeeded` as docker does, once the registry has said so. */
export async function login(options: LoginOptions): Promise<number> {
  const target = parseTarget(options.registry);
  if (options.getLogin) return await whoIsLoggedIn(target);
  await interruptible(async (signal) => {
    const { username, password } = await whoLogsIn(options, target, signal);
    const [registry = ""] = target.split("/");
    const credential: Credential = { kind: "basic", username, password, origin: "this command" };
    const { tlsVerify } = options;
    const settings = { tlsVerify, notice: printNotice, credentials: async () => credential };
    const { wasAsked, refreshToken } = await logIn(registry, settings, signal).catch(
      explainRefusal,
    );
    if (!wasAsked) {
      printNotice(`${registry} asks for no login, so the password could not be tried`);
    }
    signal.throwIfAborted();
    const login = { target, username, password, ...(refreshToken && { refreshToken }) };
    const path = await keepLogin(login, currentSurroundings());
    if (path !== undefined) {
      const kept = refreshToken === undefined ? "The password" : "A token for you";
      printNotice(`${kept} is kept as it is in ${path}; a credential helper hides it better`);
    }
  });
  printResult("Login Succeeded");
  return 0;
}

/** What to do is another thing here than where a kept login is refused. */
function explainRefusal(error: unknown): never {
  if (!(error instanceof RegistryError) || ![401, 403].includes(error.status)) throw error;
  throw new HbError(error.message, { hint: "check the user name and the password" });
}

async function whoIsLoggedIn(target: string): Promise<number> {
  const [registry = "", ...path] = target.split("/");
  const repository = path.length === 0 ? undefined : path.join("/");
  const find = credentialFinder({ ...currentSurroundings(), notice: printNotice });
  const credential = await find(registry, repository);
  if (credential === undefined) {
    throw new HbError(`Nobody is logged in to ${target}`, { hint: `use 'hb login ${target}'` });
  }
  // docker's and its helpers' word where there is a token instead of a name.
  printResult(credential.kind === "bearer" ? "<token>" : (credential.username ?? "<token>"));
  return 0;
}

interface Person {
  readonly username: string;
  readonly password: string;
}

async function whoLogsIn(
  options: LoginOptions,
  target: string,
  signal: AbortSignal,
): Promise<Person> {
  const { username = "", password = "" } = options;
  if (options.passwordStdin) {
    if (password !== "") throw new UsageError("Cannot use --password with --password-stdin");
    if (username === "") throw new UsageError("Cannot use --password-stdin without --username");
    return complete({ username, password: await passwordFromStdin() });
  }
  if (password !== "") {
    printNotice("Other users of this machine can see --password; --password-stdin hides it");
  }
  if (username !== "" && password !== "") return complete({ username, password });
  if (!canAsk()) {
    throw new UsageError(`Cannot log in to ${target}: there is no terminal to ask on`, {
      hint: "use --username NAME --password-stdin",
      exitCode: 1,
    });
  }
  const questions = [
    ...(username === "" ? [{ text: "Username: ", hidden: false }] : []),
    ...(password === "" ? [{ text: "Password: ", hidden: true }] : []),
  ];
  const answers = [...(await ask(questions, signal))];
  const name = username === "" ? (answers.shift() ?? "") : username;
  return complete({
    username: name,
    password: password === "" ? (answers.shift() ?? "") : password,
  });
}

/** What HTTP can carry: RFC 7617 ends the user name at the first colon. */
function complete({ username, password }: Person): Person {
  if (username === "") throw new HbError("Cannot log in: the user name is empty");
  if (password === "") throw new HbError("Cannot log in: the password is empty");
  if (username.includes(":")) throw new HbError("Cannot log in: a user name has no colon");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
  if (!/[\x00-\x1f\x7f]/.test(username + password)) return { username, password };
  throw new HbError("Cannot log in: user name and password have no line breaks");
}

const passwordBytesMax = 64 * 1024;

async function passwordFromStdin(): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of Bun.stdin.stream()) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > passwordBytesMax) throw new HbError("Cannot log in: the password is too long");
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}
