/**
 * A token server for docker-registry (distribution's "Token Authentication Specification" and its
 * OAuth 2 flow): one user, who may do everything; anyone else may pull what is not private/.
 */

import { createPrivateKey, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { makeCertificate } from "../registry/certificate.ts";

export interface TokenServerOptions {
  readonly folder: string;
  /** `NAME:PASSWORD` */
  readonly user: string;
  readonly refreshToken: string;
  /** To whoever logs in and asks for one. */
  readonly givesRefreshTokens?: boolean;
  /** How long a token is good, at most a second less, whatever is said of it. */
  readonly lifeSeconds?: number;
}

export interface TokenServer {
  /** docker-registry's `auth` section. */
  readonly auth: object;
  /** One line for each question: method, user, scopes. */
  readonly log: readonly string[];
  /** Resolves when all tokens that were issued so far have ended. */
  ended(): Promise<void>;
  stop(): void;
}

const issuer = "hb-tests";
const announcedSeconds = 300;
/** docker-registry takes a token for so long after its end. */
const leewaySeconds = 60;

/** Starts it on a free port of 127.0.0.1. */
export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const { key, cert } = makeCertificate(issuer);
  const rootcertbundle = join(options.folder, "tokens.crt");
  writeFileSync(rootcertbundle, cert);
  const log: string[] = [];
  const life = options.lifeSeconds ?? announcedSeconds;
  const issue = (access: readonly object[]): string => {
    const now = Math.floor(Date.now() / 1000);
    const times = { iat: now, nbf: now - 10, exp: now + life - leewaySeconds };
    const claims = {
      iss: issuer,
      aud: issuer,
      sub: "",
      jti: crypto.randomUUID(),
      ...times,
      access,
    };
    const x5c = [cert.replace(/-----[^-]+-----|\s/g, "")];
    const text = [{ typ: "JWT", alg: "ES256", x5c }, claims].map(encode).join(".");
    const privateKey = { key: createPrivateKey(key), dsaEncoding: "ieee-p1363" } as const;
    return `${text}.${sign("sha256", Buffer.from(text), privateKey).toString("base64url")}`;
  };
  const server = createServer((request, response) => {
    void answer(request, response, { ...options, log, issue });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const realm = `http://127.0.0.1:${port}/token`;
  const ended = () => Bun.sleep(life * 1000 + 100);
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { auth: { token: { realm, service: issuer, issuer, rootcertbundle } }, log, ended, stop };
}

interface Desk extends TokenServerOptions {
  readonly log: string[];
  readonly issue: (access: readonly object[]) => string;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  desk: Desk,
): Promise<void> {
  const isPost = request.method === "POST";
  const url = new URL(request.url ?? "/", "http://localhost");
  const question = isPost ? new URLSearchParams(await bodyOf(request)) : url.searchParams;
  const shown = isPost ? question.get("refresh_token") : request.headers.authorization;
  const expected = isPost ? desk.refreshToken : `Basic ${btoa(desk.user)}`;
  const isKnown = shown === expected;
  const scopes = question.getAll("scope").flatMap((scope) => scope.split(" "));
  desk.log.push(
    [request.method, isKnown ? "user" : (shown && "wrong") || "-", ...scopes].join(" "),
  );
  const reply = (status: number, body: object): void => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  };
  if (shown && !isKnown) return reply(401, { details: "incorrect user name or password" });
  const token = desk.issue(scopes.map((scope) => grant(scope, isKnown)));
  const isLasting = desk.givesRefreshTokens && question.get("offline_token") === "true";
  const lasting = isLasting && isKnown ? { refresh_token: desk.refreshToken } : {};
  reply(
    200,
    isPost ? { access_token: token } : { token, ...lasting, expires_in: announcedSeconds },
  );
}

/** What is allowed of `repository:NAME:ACTIONS`. */
function grant(scope: string, isKnown: boolean): object {
  const [type = "", name = "", wanted = ""] = scope.split(":");
  const actions = wanted.split(",").filter((action) => {
    return isKnown || (action === "pull" && !name.startsWith("private/"));
  });
  return { type, name, actions };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
