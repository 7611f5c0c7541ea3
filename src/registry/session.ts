/**
 * One registry while hb talks to it: where it is, over which scheme, and with what authorization.
 *
 * There is no ping: the first real request meets the challenge. Only where two schemes may be
 * tried (a loopback host, `--tls-verify=false`) `/v2/` is asked once which of them is spoken.
 */

import { compact } from "../image/json.ts";
import type { Authenticator } from "./authenticator.ts";
import { discard, readText, type StallLimit } from "./body.ts";
import { parseChallenges } from "./challenge.ts";
import { type Endpoint, isLoopback, type Scheme } from "./endpoint.ts";
import { isTlsTrustFailure } from "./network.ts";
import { answerError, errorBodyBytesMax, RegistryError } from "./registry-error.ts";
import type { HttpAnswer, HttpMethod, Transport } from "./transport.ts";

export interface SessionOptions {
  readonly endpoint: Endpoint;
  readonly transport: Transport;
  readonly authenticator: Authenticator;
  readonly limit: StallLimit;
  readonly tlsVerify: boolean;
  readonly notice: (line: string) => void;
}

export interface SessionRequest {
  readonly doing: string;
  readonly repository: string;
  /** Below the repository, as `manifests/latest`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where the registry itself has said it should go: instead of `path`. */
  readonly url?: URL;
  /** GET if absent. */
  readonly method?: HttpMethod;
  readonly body?: Blob;
  readonly onSent?: (bytes: number) => void;
  /** What is to be allowed on the repository; `pull` if absent. */
  readonly actions?: "pull" | "pull,push";
  /** Another repository that is read from. */
  readonly source?: string;
  readonly isAddressedByDigest: boolean;
  /** Statuses besides 200 that are answers, not errors. */
  readonly accepts?: readonly number[];
  /** How often it is sent in all. */
  readonly attempts?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A request below /v2/ and what it needs to be allowed. */
interface ScopedRequest extends Omit<SessionRequest, "repository"> {
  readonly repository?: string;
  readonly scope: string;
  readonly scheme: Scheme;
  readonly isLogin?: boolean;
}

/** What a login came to. */
export interface LoggedIn {
  /** The registry wanted to know who is there. */
  readonly wasAsked: boolean;
  /** To be kept instead of the password. */
  readonly refreshToken?: string;
}

/** Requests to one registry. */
export class Session {
  readonly #options: SessionOptions;
  #scheme: Promise<Scheme> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** The registry's good answer; anything else is thrown as a RegistryError. */
  async get(request: SessionRequest): Promise<Response> {
    const scheme = await this.#chosenScheme(request.signal);
    const { repository, source, actions = "pull" } = request;
    const more = source === undefined ? "" : ` repository:${source}:pull`;
    const answer = await this.#sendAuthorized({
      ...request,
      path: `${repository}/${request.path}`,
      scope: `repository:${repository}:${actions}${more}`,
      scheme,
    });
    const { response } = answer;
    if (response.status === 200 || request.accepts?.includes(response.status)) return response;
    throw await this.#refusal(request.doing, answer);
  }

  /** Logs in and no more; refused credentials are thrown as a RegistryError. */
  async logIn(doing: string, signal: AbortSignal): Promise<LoggedIn> {
    const scheme = await this.#chosenScheme(signal);
    const scope = "";
    const common = { doing, path: "", scope, scheme, signal };
    const answer = await this.#sendAuthorized({
      ...common,
      isAddressedByDigest: false,
      isLogin: true,
    });
    if (answer.response.status !== 200) throw await this.#refusal(doing, answer);
    await discard(answer.response);
    const { authenticator } = this.#options;
    const { refreshToken } = authenticator;
    const wasAsked = authenticator.cached(scope) !== undefined;
    return { wasAsked, ...(refreshToken === undefined ? {} : { refreshToken }) };
  }

  /**
   * Sends with the authorization at hand, and once more with a new one if that is refused. A
   * registry that refuses a token it has just issued refuses the image: no loop.
   */
  async #sendAuthorized(request: ScopedRequest): Promise<HttpAnswer> {
    const { authenticator, endpoint, transport } = this.#options;
    const { doing, headers = {}, isAddressedByDigest, repository, scheme, scope, signal } = request;
    const { method, body, attempts, onSent, isLogin } = request;
    const own = new URL(`${scheme}://${endpoint.host}/v2/${request.path}`);
    const url = request.url ?? own;
    const optional = compact({ method, body, attempts, onSent });
    const send = (authorization: string | undefined): Promise<HttpAnswer> => {
      const common = { doing, url, headers, isAddressedByDigest, signal, ...optional };
      return transport.send({ ...common, authorization });
    };

    // An upload may lead to an object store, which has nothing to do with our token.
    const isOurs = url.origin === own.origin;
    if (!isOurs) return await send(undefined);
    const authorization = authenticator.cached(scope);
    const answer = await send(authorization);
    // A redirect's target that says 401 is no registry; its challenge is not for us to answer.
    if (answer.response.status !== 401 || answer.isRedirected) return answer;
    const header = answer.response.headers.get("www-authenticate");
    if (header === null) return answer;
    await discard(answer.response);
    const isPlainHttp = scheme === "http";
    const need = { doing, scope, repository, isPlainHttp, signal, ...compact({ isLogin }) };
    return send(await authenticator.renew(need, parseChallenges(header), authorization));
  }

  async #refusal(doing: string, answer: HttpAnswer): Promise<RegistryError> {
    const { response, retryAfterMs, url } = answer;
    const { authenticator, limit } = this.#options;
    return answerError(doing, {
      status: response.status,
      body: authenticator.hide(await readText(response, errorBodyBytesMax, limit)),
      host: url.host,
      ...(answer.isRedirected ? {} : { loginHint: authenticator.loginHint }),
      headers: response.headers,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }

  async #chosenScheme(signal: AbortSignal | undefined): Promise<Scheme> {
    const [first = "https", second] = this.#options.endpoint.schemes;
    if (second === undefined) return first;
    this.#scheme ??= this.#probe(signal);
    try {
      return await this.#scheme;
    } catch (error) {
      this.#scheme = undefined;
      throw error;
    }
  }

  async #probe(signal: AbortSignal | undefined): Promise<Scheme> {
    const { endpoint, notice, tlsVerify } = this.#options;
    for (const tried of endpoint.schemes) {
      const scheme = await this.#spoken(tried, signal);
      if (scheme === undefined) continue;
      if (scheme === "http" && !isLoopback(endpoint.host)) {
        notice(`${endpoint.host} has no TLS: anyone on the way can read and change what it sends`);
      } else if (scheme === "https" && !tlsVerify) {
        notice(`The TLS certificate of ${endpoint.host} is not checked`);
      }
      return scheme;
    }
    // Nobody answers: the real request will say why, with its retries.
    return endpoint.schemes[0] ?? "https";
  }

  /** What the host answers over `scheme` that it speaks; an untrusted certificate is an answer. */
  async #spoken(scheme: Scheme, signal: AbortSignal | undefined): Promise<Scheme | undefined> {
    const { endpoint, limit, transport } = this.#options;
    const url = new URL(`${scheme}://${endpoint.host}/v2/`);
    const doing = `Cannot reach ${endpoint.host}`;
    try {
      const { response } = await transport.send({ doing, url, attempts: 1, signal });
      const text = await readText(response, 4096, limit);
      // Go's and nginx's TLS servers answer plain HTTP with a 400 that says so.
      const isTls = scheme === "http" && response.status === 400 && /\bhttps\b/i.test(text);
      return isTls ? "https" : scheme;
    } catch (error) {
      if (signal?.aborted || !(error instanceof RegistryError)) throw error;
      return isTlsTrustFailure(error.code, error.message) ? scheme : undefined;
    }
  }
}
