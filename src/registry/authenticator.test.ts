/** Who is sent what: the client with credentials against registries that want some. */

import { describe, expect, test } from "bun:test";
import type { FaultName } from "../../tests/registry/faults.ts";
import { identity, person } from "../../tests/registry/logins.ts";
import { type RunningRegistry, startRegistry } from "../../tests/registry/server.ts";
import { formatError } from "../errors.ts";
import { parseReference } from "../image/reference.ts";
import { logIn, openRegistry } from "./client.ts";
import type { Credential } from "./credential.ts";

const basic: Credential = { kind: "basic", ...person, origin: "the test" };
const refresh: Credential = { kind: "identity", token: identity, origin: "the test" };
const wrong: Credential = { ...basic, password: "wrong-password" };

/** Asks for the image's manifest `times` times. */
async function ask(
  server: RunningRegistry,
  credential: Credential | undefined,
  { times = 1, tlsVerify = true } = {},
): Promise<void> {
  const client = openRegistry({ tlsVerify, credentials: async () => credential });
  for (let n = 0; n < times; n++) await client.resolve(parseReference(server.reference));
}

async function failureOf(fault: FaultName, credential: Credential | undefined): Promise<string> {
  await using server = await startRegistry({ faults: [fault] });
  const error = await ask(server, credential, { times: 4 }).catch((e: unknown) => e);
  return formatError(error).replaceAll(server.host, "HOST");
}

function sentTo(requests: RunningRegistry["requests"]): (string | undefined)[] {
  return requests.map(({ authorization }) => authorization);
}

describe("credentials", () => {
  test("are shown only when a registry asks, and then with every request", async () => {
    await using server = await startRegistry({ faults: ["basic-login"] });
    await ask(server, basic, { times: 2 });
    const shown = sentTo(server.requests).map((header) => header?.split(" ")[0]);
    // The probe for TLS, the first request, its repetition, the second request.
    expect(shown).toEqual([undefined, undefined, "Basic", "Basic"]);
  });

  test("get a token for two requests, and another when that is used up", async () => {
    await using server = await startRegistry({ faults: ["token-login"] });
    await ask(server, basic, { times: 5 });
    const asked = server.requests.filter(({ path }) => path.startsWith("/token"));
    expect(asked.length).toBe(3);
    expect(decodeURIComponent(asked[0]?.path ?? "")).toBe(
      "/token?service=test&scope=repository:test/image:pull&account=hb",
    );
    const password = Buffer.from(person.password).toString("base64").slice(0, 8);
    const others = server.requests.filter(({ path }) => !path.startsWith("/token"));
    expect(JSON.stringify(others)).not.toContain("Basic");
    expect(JSON.stringify(server.requests.map(({ path }) => path))).not.toContain(password);
  });

  test("that are a refresh token are posted, and the newest one is used next", async () => {
    await using server = await startRegistry({ faults: ["token-login"] });
    await ask(server, refresh, { times: 5 });
    expect(JSON.stringify(server.requests)).not.toContain(identity);
    expect(server.requests.filter(({ path }) => path === "/token").length).toBe(3);
  });

  test("do not follow a redirect of the token endpoint, be they a header or a form", async () => {
    for (const credential of [basic, refresh]) {
      await using server = await startRegistry({ faults: ["redirected-token"] });
      await expect(ask(server, credential)).rejects.toThrow(/307|404/);
      expect(sentTo(server.elsewhere).filter((header) => header !== undefined)).toEqual([]);
      if (credential === refresh) expect(server.elsewhere).toEqual([]);
    }
  });

  test("do not go to a token endpoint that is named once a token was shown", async () => {
    await using server = await startRegistry({ faults: ["moving-realm"] });
    await ask(server, basic, { times: 5 });
    expect(server.elsewhere).toEqual([]);
  });

  test("do not go over plain HTTP to another machine, whatever the registry says", async () => {
    expect(await failureOf("remote-realm", basic)).toContain(
      "its token endpoint tokens.test is not HTTPS; a password would be readable on the way",
    );
  });

  test("are in no message, even if the server repeats them", async () => {
    const line = await failureOf("telltale-basic", basic);
    expect(line).toContain("UNAUTHORIZED: no entry for Basic *** hb:***");
    expect(line).not.toContain("secret");
  });
});

describe("a refusal says what to do", () => {
  const cases: [FaultName, Credential | undefined, RegExp][] = [
    ["basic-login", undefined, /wants a login \(basic\); it needs .* use 'hb login HOST'$/],
    ["basic-login", wrong, /; the login from the test is wrong or does not suffice: check it/],
    ["token-login", wrong, /: incorrect user name or password; the login from the test is wrong/],
    ["basic-login", refresh, /wants a login \(basic\); the login from the test is wrong or/],
  ];
  for (const [fault, credential, pattern] of cases) {
    test(`under ${fault} with ${credential?.kind ?? "nobody"}`, async () => {
      const line = await failureOf(fault, credential);
      expect(line).toMatch(pattern);
      expect(line).not.toContain("wrong-password");
    });
  }
});

describe("logIn()", () => {
  const signal = new AbortController().signal;

  for (const fault of ["basic-login", "token-login"] as const) {
    test(`tries the credentials under ${fault}`, async () => {
      await using server = await startRegistry({ faults: [fault] });
      const { wasAsked } = await logIn(server.host, { credentials: async () => basic }, signal);
      expect(wasAsked).toBe(true);
      const attempt = logIn(server.host, { credentials: async () => wrong }, signal);
      await expect(attempt).rejects.toThrow(`Cannot log in to ${server.host}: UNAUTHORIZED`);
    });
  }

  test("says when a registry does not ask", async () => {
    await using server = await startRegistry();
    const loggedIn = await logIn(server.host, { credentials: async () => basic }, signal);
    expect(loggedIn).toEqual({ wasAsked: false });
  });

  test("asks for a token to log in with later, and no pull does", async () => {
    await using server = await startRegistry({ faults: ["token-login"] });
    const settings = { credentials: async () => basic };
    expect(await logIn(server.host, settings, signal)).toEqual({
      wasAsked: true,
      refreshToken: identity,
    });
    const asked = server.requests.find(({ path }) => path.startsWith("/token"));
    expect(asked?.path).toContain("client_id=hb&offline_token=true");
    const before = server.requests.length;
    await ask(server, basic);
    expect(JSON.stringify(server.requests.slice(before))).not.toContain("offline_token");
  });
});
