/**
 * A token endpoint: its question, from the registry's challenge, and its answer. Follows the
 * distribution project's token specification: GET, anonymous or with basic credentials; and its
 * OAuth 2 flow: POST with a refresh token. Pure.
 */

import { HbError } from "../errors.ts";
import type { Challenge } from "./challenge.ts";
import { basicAuthorization, type Credential } from "./credential.ts";
import { isLoopback } from "./endpoint.ts";
import { RegistryError } from "./registry-error.ts";

/** One request's need for authorization. */
export interface AuthorizationRequest {
  /** The beginning of an error message. */
  readonly doing: string;
  /** As `repository:library/alpine:pull`, several with spaces; "" for the registry as a whole. */
  readonly scope: string;
  /** What the credentials are looked up for. */
  readonly repository: string | undefined;
  /** The registry is spoken to in plain HTTP, so its token endpoint may be. */
  readonly isPlainHttp: boolean;
  /** Somebody logs in: a refresh token is wanted, too, to be kept instead of the password. */
  readonly isLogin?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What the endpoint is sent. */
export interface TokenQuestion {
  readonly url: URL;
  readonly authorization?: string;
  /** A POST's form. */
  readonly form?: URLSearchParams;
}

export interface TokenAnswer {
  readonly token: string;
  readonly expiresAt: number;
  /** The endpoint has replaced the refresh token, or has given one to who logs in. */
  readonly refreshToken?: string;
}

/** What the specification says when `expires_in` is missing. */
const defaultLifeMs = 60_000;
/** Most of an answer that is read. */
export const tokenBytesMax = 1024 * 1024;

/** OAuth 2 wants to know which program asks. */
const clientID = "hb";

/** The question for `credential`, or for nobody in particular. */
export function tokenQuestion(
  request: AuthorizationRequest,
  bearer: Challenge,
  credential: Credential | undefined,
  allowsPlainHttp: boolean,
): TokenQuestion {
  const url = realmOf(request, bearer);
  if (credential !== undefined && url.protocol === "http:" && !isLoopback(url.host)) {
    if (!(request.isPlainHttp && allowsPlainHttp)) {
      throw new HbError(`${request.doing}: its token endpoint ${url.host} is not HTTPS`, {
        hint: "a password would be readable on the way: tell the registry's operator",
      });
    }
  }
  const form = credential?.kind === "identity" ? new URLSearchParams() : undefined;
  const question = form ?? url.searchParams;
  const service = bearer.params.get("service");
  if (service !== undefined) question.set("service", service);
  const scopes = scopesOf(request.scope, bearer.params.get("scope"));
  if (form !== undefined && credential?.kind === "identity") {
    form.set("grant_type", "refresh_token");
    form.set("refresh_token", credential.token);
    form.set("client_id", clientID);
    if (scopes.length > 0) form.set("scope", scopes.join(" "));
    return { url, form };
  }
  for (const scope of scopes) question.append("scope", scope);
  if (credential?.kind !== "basic") return { url };
  const { username, password } = credential;
  question.set("account", username);
  if (request.isLogin === true) {
    question.set("client_id", clientID);
    question.set("offline_token", "true");
  }
  return { url, authorization: basicAuthorization(username, password) };
}

/** The token endpoint's address; never with what the challenge itself might log in as. */
function realmOf({ doing, isPlainHttp }: AuthorizationRequest, bearer: Challenge): URL {
  const url = URL.parse(bearer.params.get("realm") ?? "");
  if (url === null || !(url.protocol === "https:" || url.protocol === "http:")) {
    throw new HbError(`${doing}: the registry names no usable token endpoint`);
  }
  if (url.protocol === "http:" && !isPlainHttp && !isLoopback(url.host)) {
    throw new HbError(`${doing}: its token endpoint ${url.host} is not HTTPS`, {
      hint: "a token would be readable on the way: tell the registry's operator",
    });
  }
  url.username = "";
  url.password = "";
  url.hash = "";
  return url;
}

/**
 * The registry knows best what its resource is called, and most repeat what we would say. But its
 * challenge is about one request, so what is needed beyond pulling is asked for as well.
 */
function scopesOf(wanted: string, announced: string | undefined): readonly string[] {
  const [needed, scopes] = [words(wanted), words(announced ?? "")];
  if (scopes.length > 0 && needed.every((scope) => scope.endsWith(":pull"))) return scopes;
  return [...scopes.filter((scope) => !needed.some((own) => covers(own, scope))), ...needed];
}

/** Whether `own` is of the same resource as `other` and allows all that that one does. */
function covers(own: string, other: string): boolean {
  const [name, actions] = [own, other].map((scope) => scope.slice(0, scope.lastIndexOf(":") + 1));
  const allowed = own.slice(name?.length).split(",");
  const wanted = other.slice(actions?.length).split(",");
  return name === actions && wanted.every((action) => allowed.includes(action));
}

function words(text: string): readonly string[] {
  return text.split(" ").filter((word) => word !== "");
}

/** A token endpoint's answer. Some say `token`, some `access_token` (OAuth 2), some both. */
export function parseToken(
  doing: string,
  host: string,
  bytes: Uint8Array | undefined,
  now: number,
): TokenAnswer {
  const value = bytes === undefined ? undefined : parseObject(bytes);
  const token = [value?.token, value?.access_token].find(isTokenText);
  if (token === undefined) {
    throw new RegistryError(`${doing}: token endpoint ${host} sent no token`, { status: 200 });
  }
  const expiresIn = value?.expires_in;
  const lifeMs = typeof expiresIn === "number" && expiresIn > 0 ? expiresIn * 1000 : defaultLifeMs;
  const refreshToken = value?.refresh_token;
  const rotated = isTokenText(refreshToken) ? { refreshToken } : {};
  return { token, expiresAt: now + lifeMs, ...rotated };
}

/** Visible ASCII only: the token goes into a header. */
export function isTokenText(value: unknown): value is string {
  return typeof value === "string" && /^[\x21-\x7e]+$/.test(value);
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch (error) {
    // Not JSON: the caller says that there is no token in it.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
