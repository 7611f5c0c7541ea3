/** The order of sources, with real files and helpers that are shell scripts. */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentialFinder, parseCreds } from "./find.ts";
import { hostVariable } from "./places.ts";

const folder = mkdtempSync(join(tmpdir(), "hb-find-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(path: string, content: object): string {
  const full = join(folder, path);
  mkdirSync(join(full, ".."), { recursive: true });
  writeFileSync(full, JSON.stringify(content));
  return full;
}

function login(username: string): { readonly auths: object } {
  return { auths: { "a.example": { username, password: "password" } } };
}

async function find(env: Readonly<Record<string, string>>, registry = "a.example") {
  const notices: string[] = [];
  const notice = (line: string): void => void notices.push(line);
  const finder = credentialFinder({ uid: 7, env, notice });
  const credential = await finder(registry, "team/app");
  return { found: credential?.kind === "basic" ? credential.username : credential, notices };
}

test("the first source that has a login wins", async () => {
  const sources: [string, string][] = [
    ["HB_AUTH_A_EXAMPLE", "variable:password"],
    ["HB_REGISTRY_AUTH", JSON.stringify(login("document"))],
    ["REGISTRY_AUTH_FILE", write("named.json", login("named"))],
    ["XDG_RUNTIME_DIR", join(write("run/containers/auth.json", login("run")), "../..")],
    ["XDG_CONFIG_HOME", join(write("config/containers/auth.json", login("config")), "../..")],
    ["DOCKER_CONFIG", join(write("docker/config.json", login("docker")), "..")],
  ];
  const users = ["variable", "document", "named", "run", "config", "docker"];
  for (const [n, user] of users.entries()) {
    const env = Object.fromEntries(sources.slice(n));
    expect(await find(env)).toEqual({ found: user, notices: [] });
    expect(await find(env, "b.example")).toEqual({ found: undefined, notices: [] });
  }
});

test("--creds are for the registry they were given for and no other", async () => {
  const given = { registry: "a.example", credential: parseCreds("me:pass:word") };
  const finder = credentialFinder({ uid: 7, env: {}, given, notice: () => undefined });
  expect(await finder("a.example", "x")).toMatchObject({ username: "me", password: "pass:word" });
  expect(await finder("b.example", "x")).toBeUndefined();
});

test("no two hosts share a variable", () => {
  const hosts = [
    "my-reg.example",
    "my.reg.example",
    "my.reg-example",
    "my.reg:5000",
    "my.reg.5000",
  ];
  expect(new Set(hosts.map(hostVariable)).size).toBe(hosts.length);
  expect(hostVariable("my-reg.example:5000")).toBe("HB_AUTH_MY__REG_EXAMPLE___5000");
  expect(hostVariable("[::1]:5000")).toBeUndefined();
});

describe("messages", () => {
  test.each([
    [{ HB_AUTH_A_EXAMPLE: "secret" }, /^Cannot use HB_AUTH_A_EXAMPLE: expected USER:PASSWORD$/],
    [{ HB_REGISTRY_AUTH: "hb:secret" }, /^Cannot use HB_REGISTRY_AUTH: expected what an auth/],
    [{ REGISTRY_AUTH_FILE: "/nowhere" }, /in \/nowhere: there is no such file$/],
  ])("%p", async (env, message) => {
    const error = await find({ ...env }).catch((e: unknown) => e);
    expect(error).toMatchObject({ message: expect.stringMatching(message) });
    expect(String(error)).not.toContain("secret");
  });

  test("a missing helper for all registries is no failure but a notice", async () => {
    const path = write("missing/config.json", { credsStore: "not-there" });
    const { found, notices } = await find({ DOCKER_CONFIG: join(path, "..") });
    expect(found).toBeUndefined();
    expect(notices).toEqual([expect.stringContaining("docker-credential-not-there, which is not")]);
  });

  test("a missing helper for this very registry is a failure", async () => {
    const path = write("own/config.json", { credHelpers: { "a.example": "not-there" } });
    await expect(find({ DOCKER_CONFIG: join(path, "..") })).rejects.toThrow(
      "Cannot get credentials with docker-credential-not-there: the program is not on PATH",
    );
  });
});
