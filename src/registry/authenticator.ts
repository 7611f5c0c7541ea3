/**
 * From a challenge to an Authorization header, cached for each scope until it expires: for whoever
 * the user's credentials say, and else for nobody in particular.
 *
 * Where credentials go: to the registry itself, and to the token endpoint that it named in answer
 * to a request without any. What it names once it has seen some is not listened to, and nothing
 * secret follows a redirect to another origin (transport.ts).
 */

import { readBounded, readText, type StallLimit } from "./body.ts";
import type { Challenge } from "./challenge.ts";
import { basicAuthorization, type Credential, type FindCredential, Secrets } from "./credential.ts";
import { answerError, errorBodyBytesMax, RegistryError } from "./registry-error.ts";
import type { Clock } from "./retry.ts";
import {
  type AuthorizationRequest,
  isTokenText,
  parseToken,
  type TokenAnswer,
  type TokenQuestion,
  tokenBytesMax,
  tokenQuestion,
} from "./token.ts";
import type { Transport } from "./transport.ts";

export interface AuthenticatorOptions {
  /** As references name it. */
  readonly registry: string;
  readonly find: FindCredential;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly limit: StallLimit;
  /** The user has said that secrets may be readable on the way. */
  readonly allowsPlainHttp: boolean;
}

interface Grant {
  readonly authorization: string;
  readonly expiresAt: number;
}

/** The authorizations of one registry. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #grants = new Map<string, Grant>();
  /** Layers are fetched side by side: the first to need a token asks for all. */
  readonly #pending = new Map<string, Promise<Grant>>();
  readonly #secrets = new Secrets();
  /** Refresh tokens that the endpoint has replaced. */
  readonly #rotated = new Map<string, string>();
  /** The bearer challenge to a request without credentials. */
  #announced: Challenge | undefined;
  #origin: string | undefined;
  #refreshToken: string | undefined;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** A header value that should do for `scope` now; undefined if none is at hand. */
  cached(scope: string): string | undefined {
    const grant = this.#grants.get(scope);
    return grant !== undefined && this.#options.clock.now() < grant.expiresAt
      ? grant.authorization
      : undefined;
  }

  /** A new one, after `refused` (what the request carried) met `challenges`. */
  async renew(
    request: AuthorizationRequest,
    challenges: readonly Challenge[],
    refused: string | undefined,
  ): Promise<string> {
    const cached = this.cached(request.scope);
    if (cached !== undefined && cached !== refused) return cached;
    this.#grants.delete(request.scope);
    const pending = this.#pending.get(request.scope);
    if (pending !== undefined) return (await pending).authorization;
    const started = this.#grant(request, this.#trusted(challenges, refused))
      .then((grant) => {
        this.#grants.set(request.scope, grant);
        return grant;
      })
      .finally(() => this.#pending.delete(request.scope));
    this.#pending.set(request.scope, started);
    return (await started).authorization;
  }

  /** `text` without the secrets that were used, should a server have repeated one. */
  hide(text: string): string {
    return this.#secrets.hide(text);
  }

  /** What the token endpoint has given a password's owner to log in with from now on. */
  get refreshToken(): string | undefined {
    return this.#refreshToken;
  }

  /** What to do about a refusal. */
  get loginHint(): string {
    const command = `'hb login ${this.#options.registry}'`;
    return this.#origin === undefined
      ? `it needs a login or does not exist: check the name, or use ${command}`
      : `the login from ${this.#origin} is wrong or does not suffice: check it, or use ${command}`;
  }

  /** Challenges with the token endpoint that was announced before any secret was shown. */
  #trusted(challenges: readonly Challenge[], refused: string | undefined): readonly Challenge[] {
    if (refused === undefined) {
      this.#announced = challenges.find(isBearer);
      return challenges;
    }
    const announced = this.#announced;
    return challenges.flatMap((challenge) => {
      if (!isBearer(challenge)) return [challenge];
      if (announced === undefined) return [];
      const params = new Map(announced.params);
      const scope = challenge.params.get("scope");
      if (scope !== undefined) params.set("scope", scope);
      return [{ ...announced, params }];
    });
  }

  async #grant(request: AuthorizationRequest, challenges: readonly Challenge[]): Promise<Grant> {
    const { find, registry } = this.#options;
    const bearer = challenges.find(isBearer);
    const takesBasic = challenges.some(({ scheme }) => scheme === "basic");
    if (bearer === undefined && !takesBasic) throw this.#noWay(request, challenges);
    const credential = await find(registry, request.repository);
    this.#origin = credential?.origin;
    if (credential !== undefined) this.#secrets.add(credential);
    if (bearer !== undefined && credential?.kind === "bearer" && isTokenText(credential.token)) {
      const authorization = `Bearer ${credential.token}`;
      return { authorization, expiresAt: Number.POSITIVE_INFINITY };
    }
    if (bearer !== undefined) return await this.#fetchToken(request, bearer, credential);
    if (credential?.kind !== "basic") throw this.#noWay(request, challenges);
    const authorization = basicAuthorization(credential.username, credential.password);
    return { authorization, expiresAt: Number.POSITIVE_INFINITY };
  }

  #noWay({ doing }: AuthorizationRequest, challenges: readonly Challenge[]): RegistryError {
    const offered = challenges.map(({ scheme }) => scheme).join(", ");
    const how = offered === "" ? "does not say how to log in" : `wants a login (${offered})`;
    return new RegistryError(`${doing}: the registry ${how}`, {
      status: 401,
      code: "UNAUTHORIZED",
      hint: this.loginHint,
    });
  }

  async #fetchToken(
    request: AuthorizationRequest,
    bearer: Challenge,
    found: Credential | undefined,
  ): Promise<Grant> {
    const credential = found?.kind === "identity" ? this.#latest(found) : found;
    const { allowsPlainHttp } = this.#options;
    const answer = await this.#ask(
      request,
      tokenQuestion(request, bearer, credential, allowsPlainHttp),
    );
    this.#secrets.addText(answer.token);
    const { refreshToken } = answer;
    if (refreshToken !== undefined) this.#secrets.addText(refreshToken);
    if (found?.kind === "identity" && refreshToken !== undefined) {
      this.#rotated.set(found.token, refreshToken);
    }
    if (found?.kind === "basic" && request.isLogin === true) this.#refreshToken = refreshToken;
    return { authorization: `Bearer ${answer.token}`, expiresAt: answer.expiresAt };
  }

  #latest(found: Credential & { readonly kind: "identity" }): Credential {
    return { ...found, token: this.#rotated.get(found.token) ?? found.token };
  }

  async #ask(request: AuthorizationRequest, question: TokenQuestion): Promise<TokenAnswer> {
    const { doing, signal } = request;
    const { clock, limit, transport } = this.#options;
    const { url, authorization, form } = question;
    const body = form?.toString();
    const post =
      body === undefined
        ? {}
        : {
            method: "POST" as const,
            body,
            headers: { "content-type": "application/x-www-form-urlencoded" },
          };
    const answer = await transport.send({ doing, url, authorization, signal, ...post });
    const { response, retryAfterMs } = answer;
    if (response.status !== 200) {
      throw answerError(doing, {
        status: response.status,
        body: this.hide(await readText(response, errorBodyBytesMax, limit)),
        host: answer.url.host,
        loginHint: this.loginHint,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      });
    }
    const bytes = await readBounded(response, tokenBytesMax, limit);
    return parseToken(doing, answer.url.host, bytes, clock.now());
  }
}

function isBearer({ scheme }: Challenge): boolean {
  return scheme === "bearer";
}
