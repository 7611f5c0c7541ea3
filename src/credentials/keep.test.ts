/** Where a login is kept and forgotten; with real files. */

import { afterAll, beforeEach, expect, test } from "bun:test";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { forgetLogin, keepLogin } from "./keep.ts";

const root = mkdtempSync(join(tmpdir(), "hb-keep-"));
afterAll(() => rmSync(root, { recursive: true }));

let home = root;
beforeEach(() => {
  home = mkdtempSync(join(root, "home-"));
});

function surroundings(env: Readonly<Record<string, string>> = {}) {
  return { uid: 7, env: { HOME: home, XDG_RUNTIME_DIR: join(home, "run"), ...env } };
}

function keep(target: string, env?: Readonly<Record<string, string>>) {
  return keepLogin({ target, username: "u", password: "p" }, surroundings(env));
}

function read(path: string): unknown {
  return JSON.parse(readFileSync(join(home, path), "utf8"));
}

function write(path: string, content: object): void {
  mkdirSync(dirname(join(home, path)), { recursive: true });
  writeFileSync(join(home, path), JSON.stringify(content));
}

const entry = { auth: btoa("u:p") };

test("docker's file is made where there is none, with docker's key for Docker Hub", async () => {
  expect(await keep("docker.io")).toBe(join(home, ".docker/config.json"));
  expect(read(".docker/config.json")).toEqual({
    auths: { "https://index.docker.io/v1/": entry },
  });
  expect(statSync(join(home, ".docker")).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(home, ".docker"))).toEqual(["config.json"]);
});

test("a refresh token is kept instead of the password", async () => {
  const login = { target: "a.example", username: "u", password: "p", refreshToken: "r" };
  await keepLogin(login, surroundings());
  expect(read(".docker/config.json")).toEqual({
    auths: { "a.example": { auth: btoa("u:"), identitytoken: "r" } },
  });
});

test("an entry that would win is replaced where it is", async () => {
  write("run/containers/auth.json", { auths: { "a.example": { auth: "b2xkOm9sZA==" } } });
  await keep("a.example");
  expect(read("run/containers/auth.json")).toEqual({ auths: { "a.example": entry } });
});

test("the file that is named is made and taken before all others", async () => {
  const env = { REGISTRY_AUTH_FILE: join(home, "new/auth.json") };
  write(".docker/config.json", { auths: { "a.example": {} } });
  await keep("a.example/team", env);
  expect(read("new/auth.json")).toEqual({ auths: { "a.example/team": entry } });
});

test("a file that others could read is theirs no more, and a link to it stays one", async () => {
  write("dotfiles/config.json", {});
  mkdirSync(join(home, ".docker"));
  symlinkSync("../dotfiles/config.json", join(home, ".docker/config.json"));
  await keep("a.example");
  expect(lstatSync(join(home, ".docker/config.json")).isSymbolicLink()).toBe(true);
  expect(read("dotfiles/config.json")).toEqual({ auths: { "a.example": entry } });
  expect(statSync(join(home, "dotfiles/config.json")).mode & 0o777).toBe(0o600);
});

test("a login is forgotten in every file, and those below it are not", async () => {
  const auths = { "a.example": entry, "a.example/team": entry };
  write("run/containers/auth.json", { auths });
  write(".docker/config.json", { auths });
  expect(await forgetLogin("a.example", surroundings())).toBe(true);
  for (const path of ["run/containers/auth.json", ".docker/config.json"]) {
    expect(read(path)).toEqual({ auths: { "a.example/team": entry } });
  }
  expect(await forgetLogin("a.example", surroundings())).toBe(false);
});

test("a damaged file is not replaced", async () => {
  mkdirSync(join(home, ".docker"));
  writeFileSync(join(home, ".docker/config.json"), '{"auths":');
  await expect(keep("a.example")).rejects.toThrow("it is not JSON");
  expect(readFileSync(join(home, ".docker/config.json"), "utf8")).toBe('{"auths":');
});
