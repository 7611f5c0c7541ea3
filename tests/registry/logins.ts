/** Registries that want to know who is there, as misbehaviours of the test registry. */

import type { IncomingMessage } from "node:http";
import { type Exchange, send, sendError } from "./answer.ts";
import type { Fault } from "./faults.ts";

/** Who may log in, and the refresh token that does as well. */
export const person = { username: "hb", password: "secret:with colon" } as const;
export const identity = "identity-token";

const shown = `${person.username}:${person.password}`;
const basic = `Basic ${Buffer.from(shown).toString("base64")}`;

/** Faults about logins; the name says what the client meets. */
export const logins = {
  "basic-login": {
    about: "a user name and a password are wanted with every request",
    handle: ({ request, response }) => {
      if (request.headers.authorization === basic) return false;
      return challenge({ response }, 'Basic realm="test"');
    },
  },
  "token-login": {
    about: "tokens for two requests each, to those who log in; a refresh token is replaced",
    handle: (exchange) => tokens(exchange, ({ registry }) => `http://${registry.host}/token`),
  },
  "moving-realm": {
    about: "who has shown a token is sent to another host for the next",
    handle: (exchange) => {
      const isKnown = exchange.request.headers.authorization !== undefined;
      const { host, otherPort } = exchange.registry;
      const realm = isKnown ? `127.0.0.1:${otherPort}` : host;
      return tokens(exchange, () => `http://${realm}/token`);
    },
  },
  "redirected-token": {
    about: "the token endpoint redirects to another host",
    handle: (exchange) => {
      const { kind, response, registry } = exchange;
      const location = `http://127.0.0.1:${registry.otherPort}/token`;
      if (kind !== "token") return tokens(exchange, () => `http://${registry.host}/token`);
      send(response, 307, "", { Location: location });
      return true;
    },
  },
  "remote-realm": {
    about: "the token endpoint is another machine's, in plain HTTP",
    handle: ({ response }) => challenge({ response }, 'Bearer realm="http://tokens.test/token"'),
  },
  "telltale-basic": {
    about: "401 that repeats what the client has sent",
    handle: ({ request, response }) => {
      const { authorization = "" } = request.headers;
      const text = `${authorization} ${Buffer.from(authorization.slice(6), "base64")}`;
      sendError(response, 401, "UNAUTHORIZED", `no entry for ${text}`, {
        "WWW-Authenticate": 'Basic realm="test"',
      });
      return true;
    },
  },
} as const satisfies Readonly<Record<string, Fault>>;

function tokens(exchange: Exchange, realm: (exchange: Exchange) => string): boolean {
  const { kind, registry, repository, request, response } = exchange;
  if (kind === "token") {
    void answerToken(exchange);
    return true;
  }
  const token = request.headers.authorization ?? "";
  if (token.startsWith("Bearer token-") && registry.next(`use ${token}`) <= 2) return false;
  const scope = repository === "" ? "" : `,scope="repository:${repository}:pull"`;
  return challenge({ response }, `Bearer realm="${realm(exchange)}",service="test"${scope}`);
}

async function answerToken({ request, response, registry, url }: Exchange): Promise<void> {
  const form = new URLSearchParams(await bodyOf(request));
  const now = registry.next("refresh");
  const expected = now === 1 ? identity : `${identity}-${now}`;
  const isKnown =
    request.method === "POST"
      ? form.get("grant_type") === "refresh_token" && form.get("refresh_token") === expected
      : request.headers.authorization === basic;
  if (!isKnown) return sendError(response, 401, "UNAUTHORIZED", "incorrect user name or password");
  const isLasting = url.searchParams.get("offline_token") === "true";
  const answer = {
    access_token: `token-${registry.next("token")}`,
    ...(request.method === "POST" ? { refresh_token: `${identity}-${now + 1}` } : {}),
    ...(isLasting ? { refresh_token: identity } : {}),
  };
  send(response, 200, JSON.stringify(answer));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function challenge({ response }: Pick<Exchange, "response">, text: string): true {
  sendError(response, 401, "UNAUTHORIZED", "authentication required", {
    "WWW-Authenticate": text,
  });
  return true;
}
