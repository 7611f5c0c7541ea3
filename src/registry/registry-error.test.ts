/** What a refusal becomes for the user. */

import { describe, expect, test } from "bun:test";
import { answerError, proxyError } from "./registry-error.ts";

/** The hint for a 429 of `host` with these headers. */
function hint(host: string, headers: Record<string, string>, retryAfterMs?: number) {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  const answer = { status: 429, body: "", host, headers: new Headers(headers), ...wait };
  return answerError("Cannot pull", answer).hint;
}

describe("429", () => {
  const hub = "registry-1.docker.io";
  const limit = { "ratelimit-limit": "100;w=21600" };

  test("says how many, for how long, and that an account raises it", () => {
    expect(hint(hub, { ...limit, "docker-ratelimit-source": "192.0.2.7" }, 3_600_000)).toBe(
      "registry-1.docker.io limits how often it is asked, 100 in 6 h: try again in 60 min, " +
        "log in to docker.io with any Docker account, or use a mirror (HB_MIRRORS)",
    );
  });

  test("tells who is logged in that only another account is allowed more", () => {
    const source = "17e3b7d4-7d0f-4c9c-8a5e-000000000000";
    expect(hint(hub, { ...limit, "docker-ratelimit-source": source })).toContain(
      "try again later; only a paid Docker account",
    );
  });

  test("of another registry, or with headers that mean nothing, is told in general", () => {
    expect(hint("r.test", { "ratelimit-limit": "lots" })).toBe(
      "r.test limits how often it is asked: try again later, " +
        "or log in: an account may be allowed more",
    );
  });
});

test("a proxy's own failures name it; those of a certificate name the host", () => {
  const failure = (code: string) => Object.assign(new Error("broken"), { code });
  const said = (code: string) => proxyError("Doing", "r.test", "p.test:1", failure(code)).message;
  expect(said("ECONNREFUSED")).toContain("r.test through proxy p.test:1: p.test:1 refuses");
  expect(said("CERT_HAS_EXPIRED")).toBe("Doing: the TLS certificate of r.test has expired");
});
