/** Bearer tokens as the test registry gives and takes them. */

import type { ServerResponse } from "node:http";
import { type Handler, send, sendError } from "./answer.ts";

interface TokenOptions {
  /** How many requests a token is good for. */
  readonly uses?: number;
  readonly deny?: boolean;
  readonly answer?: (token: string) => object;
}

/** The bearer-token flow, with its endpoint at /token of the registry itself. */
export function tokens(options: TokenOptions): Handler {
  const { uses = Number.POSITIVE_INFINITY, answer = (token) => ({ token, expires_in: 300 }) } =
    options;
  return ({ request, response, kind, registry, repository, url }) => {
    if (kind === "ping") return false;
    if (kind === "token") {
      if (options.deny) sendError(response, 401, "UNAUTHORIZED", "who are you");
      else {
        const scope = url.searchParams.get("scope") ?? "";
        const token = Buffer.from(`${scope} ${registry.next("token")}`).toString("base64url");
        send(response, 200, JSON.stringify(answer(token)));
      }
      return true;
    }
    const scope = `repository:${repository}:pull`;
    const shown = request.headers.authorization?.replace(/^Bearer /, "") ?? "";
    const isIssued = Buffer.from(shown, "base64url").toString().startsWith(`${scope} `);
    if (isIssued && registry.next(`use ${shown}`) <= uses) return false;
    const realm = `http://${registry.host}/token`;
    const error = shown === "" ? "" : ',error="invalid_token"';
    const parameters = `realm="${realm}",service="test",scope="${scope}"${error}`;
    return unauthorized(response, `Bearer ${parameters}`);
  };
}

/** 401 with that challenge. */
export function unauthorized(response: ServerResponse, challenge: string): boolean {
  sendError(response, 401, "UNAUTHORIZED", "authentication required", {
    "WWW-Authenticate": challenge,
  });
  return true;
}
