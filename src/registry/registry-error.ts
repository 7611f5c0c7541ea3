/**
 * What a registry's refusal, or the network on the way to it, becomes for the user: one line with
 * the registry's own code and words (distribution-spec, "Error Codes") and what to do about it.
 * Nothing secret is in it: no token, and never a URL, whose query may be a signature.
 */

import { HbError } from "../errors.ts";
import { isTlsTrustFailure, networkCode } from "./network.ts";

/** A registry answered, but not with what was asked for; or it could not be reached. */
export class RegistryError extends HbError {
  override readonly name = "RegistryError";
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** The registry's code, as MANIFEST_UNKNOWN, or the network's, as ECONNREFUSED; "" if none. */
  readonly code: string;
  /** The registry's `detail`, unread. */
  readonly detail: unknown;

  constructor(message: string, facts: RegistryErrorFacts) {
    super(message, facts);
    this.status = facts.status ?? 0;
    this.code = facts.code ?? "";
    this.detail = facts.detail;
  }
}

export interface RegistryErrorFacts {
  readonly status?: number;
  readonly code?: string;
  readonly detail?: unknown;
  readonly cause?: unknown;
  readonly hint?: string;
}

/** Most of an error body that is read. */
export const errorBodyBytesMax = 64 * 1024;

const statusTexts: Readonly<Record<number, string>> = {
  400: "bad request",
  401: "unauthorized",
  403: "forbidden",
  404: "not found",
  407: "the proxy wants a login",
  408: "request timeout",
  416: "range not satisfiable",
  429: "too many requests",
  500: "internal server error",
  502: "bad gateway",
  503: "service unavailable",
  504: "gateway timeout",
};

/** The error for an answer with `status` and `body` to the request that `doing` describes. */
export function answerError(doing: string, answer: Answer): RegistryError {
  const { code, message, detail } = parseErrorBody(answer.body);
  const plain = `${answer.status} ${statusTexts[answer.status] ?? "unexpected status"}`;
  const said = [code, message].filter((text) => text !== "").join(": ");
  const hint = answerHint(answer);
  return new RegistryError(`${doing}: ${said === "" ? plain : said}`, {
    status: answer.status,
    code,
    detail,
    ...(hint === undefined ? {} : { hint }),
  });
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** The host that answered, for hints. */
  readonly host: string;
  /** What a Retry-After header asks for. */
  readonly retryAfterMs?: number;
  /** What to do about a 401 or 403. */
  readonly loginHint?: string;
  /** Of which those about rate limits are read. */
  readonly headers?: Headers;
}

/** The error for a request that got no answer from `host`; `cause` is what fetch threw. */
export function networkError(doing: string, host: string, cause: unknown): RegistryError {
  const code = networkCode(cause);
  const facts = { code, status: 0 };
  const known = networkTexts[code];
  if (known !== undefined) {
    return new RegistryError(`${doing}: ${known.text(host)}`, { ...facts, hint: known.hint });
  }
  const text = cause instanceof Error ? cause.message : String(cause);
  if (isTlsTrustFailure(code, text)) {
    const { why, hint } = tlsTexts[code] ?? unknownAuthority(host, text);
    const message = `${doing}: the TLS certificate of ${host} ${why}`;
    return new RegistryError(message, { ...facts, hint });
  }
  return new RegistryError(`${doing}: ${host}: ${text}`, facts);
}

/** The same where a proxy is between; what it does not let through looks like a broken answer. */
export function proxyError(
  doing: string,
  host: string,
  proxy: string,
  cause: unknown,
): RegistryError {
  const code = networkCode(cause);
  const text = cause instanceof Error ? cause.message : String(cause);
  if (isTlsTrustFailure(code, text)) return networkError(doing, host, cause);
  const known = networkTexts[code];
  const facts = { code, status: 0, hint: `check HTTPS_PROXY, or add ${host} to NO_PROXY` };
  const why = code === "EPROTO" ? "it does not lead there" : (known?.text(proxy) ?? text);
  return new RegistryError(`${doing}: ${host} through proxy ${proxy}: ${why}`, facts);
}

const again = "try again later";

/** By OpenSSL's names; the rest is about who has signed. */
const tlsTexts: Readonly<Record<string, { readonly why: string; readonly hint: string }>> = {
  CERT_HAS_EXPIRED: {
    why: "has expired",
    hint: "check this machine's clock, or tell the registry's operator",
  },
  CERT_NOT_YET_VALID: {
    why: "is not valid yet",
    hint: "check this machine's clock, or tell the registry's operator",
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    why: "is for another name",
    hint: "check the registry's name: it must be one the certificate lists",
  },
};

function unknownAuthority(host: string, text: string): { why: string; hint: string } {
  const place = `~/.config/containers/certs.d/${host}/ca.crt`;
  const system = "or add it to the system's, or use --tls-verify=false";
  return {
    why: `is from an unknown authority (${text})`,
    hint: `put its CA certificate into ${place}, name it with --cacert FILE, ${system}`,
  };
}

const networkTexts: Readonly<
  Record<string, { readonly text: (host: string) => string; readonly hint: string }>
> = {
  ECONNREFUSED: {
    text: (host) => `${host} refuses connections`,
    hint: "check the registry's address and port, and that it is running",
  },
  ENOTFOUND: {
    text: (host) => `host ${host} is unknown`,
    hint: "check the registry's name and this machine's DNS",
  },
  EAI_AGAIN: {
    text: (host) => `the name ${host} could not be looked up`,
    hint: "check this machine's network and DNS",
  },
  EPROTO: {
    text: (host) => `the TLS handshake with ${host} fails`,
    hint:
      "if it has no TLS use --tls-verify=false; if it wants a client certificate, " +
      "put client.cert and client.key beside its ca.crt in certs.d",
  },
  ECONNRESET: { text: (host) => `${host} closed the connection`, hint: again },
  ETIMEDOUT: { text: (host) => `${host} does not answer`, hint: "check the network, or try again" },
  EHOSTUNREACH: { text: (host) => `no route to ${host}`, hint: "check this machine's network" },
  ENETUNREACH: { text: (host) => `no network to ${host}`, hint: "check this machine's network" },
};

/**
 * When to ask again, and who may ask more often. Docker Hub names the limit as `100;w=21600` (so
 * many in so many seconds) and whom it has counted: an address, or the id of an account.
 */
function rateLimitHint({ host, retryAfterMs, headers }: Answer): string {
  const isHub = host === "registry-1.docker.io";
  const limit = /^\s*(\d{1,9})\s*;\s*w=(\d{1,9})/.exec(headers?.get("ratelimit-limit") ?? "");
  const [, count = "", seconds = ""] = limit ?? [];
  const allowed = limit === null ? "" : `, ${count} in ${describeWait(Number(seconds) * 1000)}`;
  const when = retryAfterMs === undefined ? "later" : `in ${describeWait(retryAfterMs)}`;
  const start = `${host} limits how often it is asked${allowed}: try again ${when}`;
  const counted = headers?.get("docker-ratelimit-source") ?? "";
  const isAnonymous = counted === "" || /^[0-9.]+$|:/.test(counted);
  if (!isHub) return `${start}, or log in: an account may be allowed more`;
  return isAnonymous
    ? `${start}, log in to docker.io with any Docker account, or use a mirror (HB_MIRRORS)`
    : `${start}; only a paid Docker account is allowed more, or use a mirror (HB_MIRRORS)`;
}

function answerHint(answer: Answer): string | undefined {
  const { status, host, loginHint } = answer;
  if (status === 401 || status === 403) {
    return loginHint ?? "it needs a login or does not exist: check the name";
  }
  if (status === 407) return "write HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT";
  if (status === 404) return "check the name and the tag";
  if (status === 429) return rateLimitHint(answer);
  return status >= 500 ? `${host} is failing: ${again}` : undefined;
}

/** `90000` as `90 s`, hours as `6 h`. */
export function describeWait(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}

/** The first error of `{"errors":[{code, message, detail}]}`; empty strings where there is none. */
function parseErrorBody(body: string): {
  readonly code: string;
  readonly message: string;
  readonly detail: unknown;
} {
  const none = { code: "", message: "", detail: undefined };
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    // A proxy's HTML page, an empty body: the status says all we can use.
    if (error instanceof SyntaxError) return none;
    throw error;
  }
  const first = member(member(value, "errors"), "0");
  if (first === undefined) return { ...none, message: line(member(value, "message")) };
  return {
    code: line(member(first, "code")),
    message: line(member(first, "message")),
    detail: member(first, "detail"),
  };
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** A registry's words as one line of bearable length. */
function line(value: unknown): string {
  return typeof value === "string" ? value.replace(/\s+/g, " ").trim().slice(0, 300) : "";
}
