/**
 * From a challenge to an Authorization header: the anonymous bearer token of the distribution
 * project's token specification, cached for each repository scope until it expires.
 *
 * `Authenticator` is the seam for credentials: whoever has some answers the same question.
 */

import { HbError } from "../errors.ts";
import { readBounded, readText, type StallLimit } from "./body.ts";
import type { Challenge } from "./challenge.ts";
import { isLoopback } from "./endpoint.ts";
import { answerError, errorBodyBytesMax, RegistryError } from "./registry-error.ts";
import type { Clock } from "./retry.ts";
import type { Transport } from "./transport.ts";

/** One request's need for authorization. */
export interface AuthorizationRequest {
  /** The beginning of an error message. */
  readonly doing: string;
  /** As `repository:library/alpine:pull`. */
  readonly scope: string;
  /** The registry is spoken to in plain HTTP, so its token endpoint may be. */
  readonly isPlainHttp: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Authenticator {
  /** A header value that should do for `scope` now; undefined if none is at hand. */
  cached(scope: string): string | undefined;
  /** A new one, after `refused` (what the request carried) met `challenges`. */
  renew(
    request: AuthorizationRequest,
    challenges: readonly Challenge[],
    refused: string | undefined,
  ): Promise<string>;
}

/** What the specification says when `expires_in` is missing. */
const defaultLifeMs = 60_000;
const tokenBytesMax = 1024 * 1024;

interface Grant {
  readonly authorization: string;
  readonly expiresAt: number;
}

/** Tokens for nobody in particular, from one registry's token endpoint. */
export class AnonymousAuthenticator implements Authenticator {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #limit: StallLimit;
  readonly #grants = new Map<string, Grant>();
  /** Layers are fetched side by side: the first to need a token asks for all. */
  readonly #pending = new Map<string, Promise<Grant>>();

  constructor(transport: Transport, clock: Clock, limit: StallLimit) {
    this.#transport = transport;
    this.#clock = clock;
    this.#limit = limit;
  }

  cached(scope: string): string | undefined {
    const grant = this.#grants.get(scope);
    return grant !== undefined && this.#clock.now() < grant.expiresAt
      ? grant.authorization
      : undefined;
  }

  async renew(
    request: AuthorizationRequest,
    challenges: readonly Challenge[],
    refused: string | undefined,
  ): Promise<string> {
    const cached = this.cached(request.scope);
    if (cached !== undefined && cached !== refused) return cached;
    this.#grants.delete(request.scope);
    const pending = this.#pending.get(request.scope) ?? this.#start(request, challenges);
    return (await pending).authorization;
  }

  #start(request: AuthorizationRequest, challenges: readonly Challenge[]): Promise<Grant> {
    const pending = this.#fetchToken(request, challenges)
      .then((grant) => {
        this.#grants.set(request.scope, grant);
        return grant;
      })
      .finally(() => this.#pending.delete(request.scope));
    this.#pending.set(request.scope, pending);
    return pending;
  }

  async #fetchToken(
    request: AuthorizationRequest,
    challenges: readonly Challenge[],
  ): Promise<Grant> {
    const url = tokenUrl(request, challenges);
    const { doing, signal } = request;
    const { response, retryAfterMs } = await this.#transport.send({ doing, url, signal });
    if (response.status !== 200) {
      throw answerError(doing, {
        status: response.status,
        body: await readText(response, errorBodyBytesMax, this.#limit),
        host: url.host,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      });
    }
    const bytes = await readBounded(response, tokenBytesMax, this.#limit);
    return parseToken(doing, url.host, bytes, this.#clock.now());
  }
}

/** The token endpoint with its question, from the first usable bearer challenge. Pure. */
export function tokenUrl(request: AuthorizationRequest, challenges: readonly Challenge[]): URL {
  const { doing } = request;
  const bearer = challenges.find(({ scheme }) => scheme === "bearer");
  if (bearer === undefined) {
    const offered = challenges.map(({ scheme }) => scheme).join(", ");
    const how = offered === "" ? "does not say how to log in" : `wants a login (${offered})`;
    throw new RegistryError(`${doing}: the registry ${how}`, {
      status: 401,
      code: "UNAUTHORIZED",
      hint: "it needs a login or does not exist: check the name",
    });
  }
  const realm = bearer.params.get("realm") ?? "";
  const url = URL.parse(realm);
  if (url === null || !(url.protocol === "https:" || url.protocol === "http:")) {
    throw new HbError(`${doing}: the registry names no usable token endpoint`);
  }
  if (url.protocol === "http:" && !request.isPlainHttp && !isLoopback(url.host)) {
    throw new HbError(`${doing}: its token endpoint ${url.host} is not HTTPS`, {
      hint: "a token would be readable on the way: tell the registry's operator",
    });
  }
  url.username = "";
  url.password = "";
  url.hash = "";
  const service = bearer.params.get("service");
  if (service !== undefined) url.searchParams.set("service", service);
  // The registry knows best what its resource is called; most repeat what we would say.
  url.searchParams.set("scope", bearer.params.get("scope") ?? request.scope);
  return url;
}

/** A token endpoint's answer. Some say `token`, some `access_token` (OAuth 2), some both. */
function parseToken(
  doing: string,
  host: string,
  bytes: Uint8Array | undefined,
  now: number,
): Grant {
  const value = bytes === undefined ? undefined : parseObject(bytes);
  const token = [value?.token, value?.access_token].find(isTokenText);
  if (token === undefined) {
    throw new RegistryError(`${doing}: token endpoint ${host} sent no token`, { status: 200 });
  }
  const expiresIn = value?.expires_in;
  const lifeMs = typeof expiresIn === "number" && expiresIn > 0 ? expiresIn * 1000 : defaultLifeMs;
  return { authorization: `Bearer ${token}`, expiresAt: now + lifeMs };
}

/** Visible ASCII only: the token goes into a header. */
function isTokenText(value: unknown): value is string {
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
