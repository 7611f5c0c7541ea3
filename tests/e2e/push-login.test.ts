/**
 * hb push where a login is needed: real registries behind TLS, with htpasswd and with tokens, whose
 * layers are compressed once and sent once.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Authority } from "../setup/authority.ts";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { startProxy } from "../setup/proxy.ts";
import { firstMatch, type Registry, startRegistry } from "../setup/registry.ts";
import { startTokenServer, type TokenServer } from "../setup/tokens.ts";
import { Box, hbBinary, registry } from "./harness.ts";

const box = new Box();
const folder = box.path("registries");
const password = "pass:word with spaces";
const user = `hb:${password}`;
const authority = new Authority(join(folder, "ca"));
const names = ["IP:127.0.0.1", "DNS:registry.test"];
const source = `${registry}/push-login:1`;
const config = { Env: ["PATH=/bin"], Cmd: ["cat", "/hello"] };
const trust = ["--cacert", authority.cert];
const running: Registry[] = [];
let basic: Registry;
let tokens: Registry;
let tokenServer: TokenServer;

beforeAll(async () => {
  const tls = authority.issue("server", names);
  const path = join(folder, "htpasswd");
  writeFileSync(path, `hb:${Bun.password.hashSync(password, { algorithm: "bcrypt", cost: 4 })}\n`);
  tokenServer = await startTokenServer({ folder, user, refreshToken: "-", lifeSeconds: 2 });
  const auth = { htpasswd: { realm: "test", path } };
  basic = await startRegistry(join(folder, "basic"), { auth, tls });
  tokens = await startRegistry(join(folder, "tokens"), { auth: tokenServer.auth, tls });
  running.push(basic, tokens);
  const own = layer([{ name: "hello", data: "hello\n".repeat(9000) }], "gzip-fast");
  await pushImage(registry, "push-login:1", [busyboxLayer(), own], { config });
  expect(await box.hb(["pull", "-q", source])).toMatchObject({ status: 0 });
});

afterAll(async () => {
  await Promise.all(running.map((each) => each.stop()));
  tokenServer.stop();
});

function push(target: string, flags: readonly string[] = ["--creds", user], env = {}) {
  return box.hb(["push", ...trust, ...flags, source, target], { env });
}

/** What is known of the layers that have been compressed. */
function notes(): string[] {
  const layers = join(box.store, "layers");
  return readdirSync(layers)
    .filter((name) => readdirSync(join(layers, name)).includes("pushed"))
    .map((name) => join(layers, name, "pushed"));
}

describe.each(["basic", "tokens"] as const)("a registry with %s", (kind) => {
  const host = () => ({ basic, tokens })[kind].host;

  test("takes an image from who is logged in, and gives it back", async () => {
    const target = `${host()}/private/app:1`;
    const pushed = await push(target);
    expect(pushed).toMatchObject({ status: 0 });
    expect(pushed.stderr.match(/: Pushed \(/g)?.length).toBe(2);
    const env = { HB_ROOT: box.path(kind) };
    const flags = ["-q", ...trust, "--creds", user];
    const { stdout } = await box.hb(["run", ...flags, target], { env });
    expect(stdout).toBe("hello\n".repeat(9000));
    expect((await box.hb(["clean", "--all"], { env })).status).toBe(0);
  });

  test("is not sent what it has: neither again, nor into another repository", async () => {
    const again = await push(`${host()}/private/app:2`);
    expect(again.stderr.match(/Already exists/g)?.length).toBe(2);
    const other = await push(`${host()}/private/other:1`);
    expect(other.stderr.match(/Mounted/g)?.length).toBe(2);
    expect(again.stderr + other.stderr).not.toContain("Pushed");
  });

  test("refuses who is not, in one line without the password", async () => {
    for (const creds of [[], ["--creds", "hb:wrong-secret"]]) {
      const argv = ["push", ...trust, ...creds, source, `${host()}/private/app:3`];
      const line = await box.failure(1, argv);
      expect(line).toStartWith(`Cannot push ${host()}/private/app:3`);
      expect(line).toContain("hb login");
      expect(line).not.toContain("wrong-secret");
    }
  });
});

describe("tokens", () => {
  test("are asked for what is needed: to push, and to read where it is mounted from", () => {
    const to = "repository:private/other:pull,push";
    expect(tokenServer.log).toContain(`GET user ${to} repository:private/app:pull`);
    expect(tokenServer.log).toContain(`GET user repository:private/app:pull,push`);
  });

  test("that end in the middle of a push are replaced", async () => {
    const layers = Array.from({ length: 12 }, (_, n) => layer([{ name: `${n}`, data: `${n}` }]));
    await pushImage(registry, "push-slowly:1", layers, { config });
    const env = { HB_ROOT: box.path("slowly") };
    await box.hb(["pull", "-q", `${registry}/push-slowly:1`], { env });
    const target = `${tokens.host}/private/slowly:1`;
    const argv = [hbBinary, "push", ...trust, "--creds", user, `${registry}/push-slowly:1`, target];
    const child = Bun.spawn(argv, { env: box.env(env), stdout: "pipe", stderr: "pipe" });
    await firstMatch(child.stderr, /: (Pushed)/);
    child.kill("SIGSTOP");
    await tokenServer.ended();
    child.kill("SIGCONT");
    expect(await child.exited).toBe(0);
    const asked = "GET user repository:private/slowly:pull,push";
    expect(tokenServer.log.filter((line) => line === asked).length).toBeGreaterThan(1);
    expect((await box.hb(["clean", "--all"], { env })).status).toBe(0);
  });
});

describe("what a layer was compressed into", () => {
  test("is known for the next push, and is no more than a hint", async () => {
    const known = notes();
    expect(known.length).toBeGreaterThan(1);
    const target = `${basic.host}/private/again`;
    // Of repositories that do not exist, and of blobs that nobody has.
    for (const file of known) {
      const [blob] = JSON.parse(readFileSync(file, "utf8"));
      const lie = { ...blob, digest: `sha256:${"0".repeat(64)}`, repositories: ["no.such/x"] };
      writeFileSync(file, JSON.stringify([lie]));
    }
    expect((await push(`${target}:1`)).stderr).toContain("Pushed");
    const digest = readFileSync(known[0] ?? "", "utf8");
    expect(digest).not.toContain("0".repeat(64));
    for (const file of known) writeFileSync(file, "{");
    const pushed = await push(`${target}:2`);
    expect(pushed).toMatchObject({ status: 0 });
    expect(pushed.stderr.match(/Already exists/g)?.length).toBe(2);
  });

  test("spares the compressing: the layer's files are not even read", async () => {
    const target = `${basic.host}/private/quick:1`;
    expect(await push(`${basic.host}/private/app:1`)).toMatchObject({ status: 0 });
    const recipes = notes().map((file) => file.replace(/pushed$/, "recipe"));
    for (const file of recipes) await box.command(["mv", file, `${file}.away`]);
    const pushed = await push(target);
    for (const file of recipes) await box.command(["mv", `${file}.away`, file]);
    expect(pushed).toMatchObject({ status: 0 });
    expect(pushed.stderr.match(/Mounted/g)?.length).toBe(2);
  });
});

test("--digestfile gets the digest", async () => {
  const file = box.path("digest");
  const flags = ["-q", "--digestfile", file, "--creds", user];
  const { stdout } = await push(`${basic.host}/private/app:1`, flags);
  expect(stdout).toBe(`${readFileSync(file, "utf8")}\n`);
  expect(await box.failure(125, ["push", "-a", "--digestfile", file, source])).toContain("one");
});

test("a push through a proxy shows the login to the registry alone", async () => {
  const proxy = await startProxy();
  const target = `registry.test:${basic.host.split(":")[1]}/private/proxied:1`;
  const pushed = await push(target, ["--creds", user], { HTTPS_PROXY: proxy.url });
  proxy.stop();
  expect(pushed).toMatchObject({ status: 0 });
  const host = target.split("/")[0];
  expect(new Set(proxy.requests)).toEqual(new Set([`CONNECT ${host} HTTP/1.1`]));
});

box.leavesNothingBehind();
