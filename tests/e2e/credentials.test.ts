/** Logins: `hb login`, `logout`, --creds, and where else a login may come from; real registries. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { layer, pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { startProxy } from "../setup/proxy.ts";
import { firstMatch, type Registry, startRegistry } from "../setup/registry.ts";
import { startTokenServer, type TokenServer } from "../setup/tokens.ts";
import { Box, hbBinary } from "./harness.ts";

const box = new Box();
const password = "pass:word with spaces";
const user = `hb:${password}`;
const refreshToken = "a-refresh-token";
let basic: Registry;
let tokens: Registry;
let tokenServer: TokenServer;

beforeAll(async () => {
  const folder = box.path("registries");
  mkdirSync(folder);
  const open = await startRegistry(folder);
  const config = { Env: ["PATH=/bin"] };
  for (const name of ["app:1", "team/app:1", "private/app:1"]) {
    await pushImage(open.host, name, [busyboxLayer()], { config });
  }
  await open.stop();
  const path = join(folder, "htpasswd");
  writeFileSync(path, `hb:${Bun.password.hashSync(password, { algorithm: "bcrypt", cost: 4 })}\n`);
  basic = await startRegistry(folder, { auth: { htpasswd: { realm: "test", path } } });
  tokenServer = await startTokenServer({ folder, user, refreshToken });
  tokens = await startRegistry(folder, { auth: tokenServer.auth });
});

afterAll(async () => {
  await basic.stop();
  await tokens.stop();
  tokenServer.stop();
});

/** An environment whose files of credentials are all in a folder of their own. */
class Person {
  readonly home: string;
  readonly file: string;

  constructor(name: string) {
    this.home = box.path("people", name);
    this.file = join(this.home, ".docker", "config.json");
    mkdirSync(join(this.home, "run"), { recursive: true });
  }

  get env(): Record<string, string> {
    return { HOME: this.home, XDG_RUNTIME_DIR: join(this.home, "run") };
  }

  hb(args: readonly string[], stdin?: string, env: Readonly<Record<string, string>> = {}) {
    const input = stdin === undefined ? {} : { stdin };
    return box.hb(args, { env: { ...this.env, ...env }, ...input });
  }

  /** Logs in with the password on standard input. */
  logIn(target: string, name = "hb", secret = password) {
    return this.hb(["login", "-u", name, "--password-stdin", target], `${secret}\n`);
  }

  write(file: string, content: object): string {
    const path = join(this.home, file);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, JSON.stringify(content));
    return path;
  }
}

/** Pulls anew, whatever the store has. */
function pull(image: string): string[] {
  return ["pull", "-q", image];
}

describe("without a login", () => {
  test("a registry that wants one is a line that says how", async () => {
    const message = await box.failure(1, pull(`${basic.host}/app:1`));
    expect(message).toContain(`use 'hb login ${basic.host}'`);
  });

  test("an image for everyone is pulled with a token for nobody", async () => {
    expect((await box.hb(pull(`${tokens.host}/app:1`))).status).toBe(0);
    expect(tokenServer.log.at(-1)).toBe("GET - repository:app:pull");
  });
});

describe("--creds", () => {
  test("logs in for pull, run and create, and is written nowhere", async () => {
    const image = `${basic.host}/app:1`;
    expect((await box.hb(["pull", "-q", "--creds", user, image])).status).toBe(0);
    expect(await box.output("--pull", "always", "--creds", user, image, "echo", "hi")).toBe("hi");
    const flags = ["-q", "--pull", "always", "--creds", user];
    const created = await box.hb(["create", ...flags, image, "true"]);
    expect(created.status).toBe(0);
    const found = await box.command(["grep", "-rlF", password, box.store, box.path("home")]);
    expect(found.stdout).toBe("");
    await box.hb(["rm", created.stdout.trim()]);
  });

  test("is not in the process that stays", async () => {
    const image = `${basic.host}/app:1`;
    const script = "echo up; read line";
    const running = box.start(["run", "-qi", "--creds", user, image, "sh", "-c", script]);
    await running.until("up");
    expect(readFileSync(`/proc/${running.pid}/cmdline`, "utf8")).not.toContain(password);
    running.stdin.end();
    await running.end();
  });

  test("that are wrong are blamed, but not repeated", async () => {
    const argv = ["pull", "--creds", "hb:wrong-secret", `${basic.host}/app:1`];
    const message = await box.failure(1, argv);
    expect(message).toContain("the login from --creds is wrong or does not suffice");
    expect(message).not.toContain("wrong-secret");
  });

  test("without a password need a terminal to ask on", async () => {
    const message = await box.failure(1, ["pull", "--creds", "hb", `${basic.host}/app:1`]);
    expect(message).toContain("there is no terminal");
  });
});

describe("hb login", () => {
  test("keeps a good password for its owner alone, and logout forgets it", async () => {
    const person = new Person("basic");
    const { host } = basic;
    expect(await person.logIn(host)).toMatchObject({ status: 0, stdout: "Login Succeeded\n" });
    expect(statSync(person.file).mode & 0o777).toBe(0o600);
    expect((await person.hb(["login", "--get-login", host])).stdout).toBe("hb\n");
    expect((await person.hb(pull(`${host}/app:1`))).status).toBe(0);
    const out = await person.hb(["logout", host]);
    expect(out).toMatchObject({ status: 0, stdout: `Removing login credentials for ${host}\n` });
    expect(JSON.parse(readFileSync(person.file, "utf8"))).toEqual({ auths: {} });
    expect((await person.hb(["logout", host])).status).toBe(1);
    expect((await person.hb(pull(`${host}/app:1`))).status).toBe(1);
  });

  test("keeps nothing that the registry refuses", async () => {
    for (const { host } of [basic, tokens]) {
      const person = new Person(`refused-${host.split(":")[1]}`);
      const { status, stdout, stderr } = await person.logIn(host, "hb", "wrong-secret");
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(/^hb: Cannot log in to .*; check the user name and the password\n$/);
      expect(stderr).not.toContain("wrong-secret");
      expect(existsSync(person.file)).toBe(false);
    }
  });

  test("asks on a terminal and shows no password", async () => {
    const person = new Person("terminal");
    const argv = ["env", ...assignments(person), hbBinary, "login", basic.host];
    const terminal = box.onTerminal(argv, { cols: 80, rows: 24 });
    await terminal.until("Username: ");
    terminal.type("hx\x7fb\r");
    await terminal.until("Password: ");
    terminal.type(`${password}\r`);
    const { status, text } = await terminal.end();
    expect(status).toBe(0);
    expect(text).toEndWith("Login Succeeded\n");
    expect(text).not.toContain(password);
  });

  test("is given up with Ctrl-C, and leaves the terminal as it was", async () => {
    const person = new Person("interrupted");
    const command = `'${hbBinary}' login -u hb ${basic.host}; echo status $?; stty -a`;
    const argv = ["env", ...assignments(person), "sh", "-c", command];
    const terminal = box.onTerminal(argv, { cols: 80, rows: 24 });
    await terminal.until("Password: ");
    terminal.type("half\x03");
    const { text } = await terminal.end();
    expect(text).toContain("status 130");
    expect(text).toMatch(/ icanon/);
    expect(text).toMatch(/[^-]echo /);
    expect(text).not.toContain("half");
  });

  test("keeps what else is in the file, and two at once lose nothing", async () => {
    const person = new Person("both");
    const other = { "other.example": { auth: "aGI6aGI=" } };
    person.write(".docker/config.json", { HttpHeaders: { a: "b" }, auths: other });
    await Promise.all([basic, tokens].map(({ host }) => person.logIn(host)));
    const kept = JSON.parse(readFileSync(person.file, "utf8"));
    expect(kept.HttpHeaders).toEqual({ a: "b" });
    const hosts = [basic.host, tokens.host, "other.example"];
    expect(Object.keys(kept.auths).sort()).toEqual(hosts.sort());
    expect((await person.hb(["logout", "--all"])).status).toBe(0);
    expect(JSON.parse(readFileSync(person.file, "utf8")).auths).toEqual({});
  });
});

function assignments(person: Person): string[] {
  return Object.entries(person.env).map(([name, value]) => `${name}=${value}`);
}

describe("tokens", () => {
  test("are asked for once by a login, and it reaches what is private", async () => {
    const person = new Person("tokens");
    expect((await person.logIn(tokens.host)).status).toBe(0);
    const before = tokenServer.log.length;
    expect((await person.hb(pull(`${tokens.host}/private/app:1`))).status).toBe(0);
    expect(tokenServer.log.slice(before)).toEqual(["GET user repository:private/app:pull"]);
  });

  test("are got with a refresh token, which is posted", async () => {
    const person = new Person("refresh");
    const entry = { auth: btoa("someone:"), identitytoken: refreshToken };
    person.write(".docker/config.json", { auths: { [tokens.host]: entry } });
    const before = tokenServer.log.length;
    expect((await person.hb(pull(`${tokens.host}/private/app:1`))).status).toBe(0);
    expect(tokenServer.log.slice(before)).toEqual(["POST user repository:private/app:pull"]);
  });
});

describe("a token service that gives refresh tokens", () => {
  let lasting: TokenServer;
  let host = "";
  let stop = async (): Promise<void> => undefined;

  beforeAll(async () => {
    const folder = box.path("lasting");
    mkdirSync(folder);
    const options = { user, refreshToken, givesRefreshTokens: true, lifeSeconds: 2 };
    lasting = await startTokenServer({ folder, ...options });
    const server = await startRegistry(box.path("registries"), { auth: lasting.auth });
    ({ host, stop } = server);
  });

  afterAll(async () => {
    await stop();
    lasting.stop();
  });

  test("has one kept instead of the password, which is not needed again", async () => {
    const person = new Person("lasting");
    const { status, stderr } = await person.logIn(host);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringContaining("A token for you is kept"),
    });
    const { auths } = JSON.parse(readFileSync(person.file, "utf8"));
    expect(auths[host]).toEqual({ auth: btoa("hb:"), identitytoken: refreshToken });
    expect((await person.hb(["login", "--get-login", host])).stdout).toBe("hb\n");
    const before = lasting.log.length;
    expect((await person.hb(pull(`${host}/private/app:1`))).status).toBe(0);
    expect(lasting.log.slice(before)).toEqual(["POST user repository:private/app:pull"]);
  });

  test("has its tokens replaced that end in the middle of a pull", async () => {
    const person = new Person("slow");
    const layers = Array.from({ length: 40 }, (_, n) =>
      layer([{ name: `${n}`, data: crypto.getRandomValues(new Uint8Array(60_000)).toHex() }]),
    );
    const open = await startRegistry(box.path("registries"));
    await pushImage(open.host, "slow:1", layers, { config: {} });
    await open.stop();
    const before = lasting.log.length;
    const argv = [hbBinary, "pull", `${host}/slow:1`];
    const child = Bun.spawn(argv, { env: box.env(person.env), stdout: "pipe", stderr: "pipe" });
    await firstMatch(child.stderr, /: (Pull complete)/);
    child.kill("SIGSTOP");
    await lasting.ended();
    child.kill("SIGCONT");
    expect(await child.exited).toBe(0);
    expect(lasting.log.slice(before).length).toBeGreaterThan(1);
  });

  test("has a helper told that it is one", async () => {
    const person = new Person("lasting-helper");
    const kept = join(person.home, "kept");
    mkdirSync(join(person.home, "bin"));
    const script = `#!/bin/sh\ncase $1 in store) cat > '${kept}' ;; get) cat '${kept}' ;; esac\n`;
    writeFileSync(join(person.home, "bin/docker-credential-test"), script, { mode: 0o755 });
    person.write(".docker/config.json", { credsStore: "test" });
    const env = { PATH: `${join(person.home, "bin")}:${process.env.PATH}` };
    const argv = ["login", "-u", "hb", "--password-stdin", host];
    expect((await person.hb(argv, password, env)).status).toBe(0);
    const expected = { ServerURL: host, Username: "<token>", Secret: refreshToken };
    expect(JSON.parse(readFileSync(kept, "utf8"))).toEqual(expected);
    expect((await person.hb(pull(`${host}/private/app:1`), undefined, env)).status).toBe(0);
  });
});

describe("a login goes to its registry and to no other host", () => {
  /** The same server under two names: as the image's own registry, and as a mirror of that. */
  async function pullThroughMirror({ host }: Registry) {
    const proxy = await startProxy();
    const port = host.split(":")[1];
    const [origin, mirror] = [`origin.test:${port}`, `mirror.test:${port}`];
    const env = { HTTP_PROXY: proxy.url, HB_MIRRORS: `${origin}=http://${mirror}` };
    const flags = ["-q", "--tls-verify=false", "--creds", user];
    const pulled = await box.hb(["pull", ...flags, `${origin}/private/app:1`], { env });
    proxy.stop();
    const shown = (name: string) =>
      proxy.readable.flatMap(({ host: to, authorization = "" }) =>
        to === name ? authorization : [],
      );
    const hosts = [...new Set(proxy.readable.map(({ host: to }) => to))].sort();
    expect(hosts).toEqual([mirror, origin]);
    expect(pulled.status).toBe(0);
    return { ...pulled, toOrigin: shown(origin), toMirror: shown(mirror) };
  }

  test("not to a mirror that asks for one, which is passed over", async () => {
    const { stderr, toMirror, toOrigin } = await pullThroughMirror(basic);
    expect(stderr).toMatch(/mirror mirror\.test:\d+ failed \(.*login.*\): going on without it/);
    expect(new Set(toMirror)).toEqual(new Set([""]));
    expect(toOrigin).toContain(`Basic ${btoa(user)}`);
  });

  test("and to the token service for that registry, which shows it tokens only", async () => {
    const before = tokenServer.log.length;
    const { toMirror, toOrigin } = await pullThroughMirror(tokens);
    const scope = "repository:private/app:pull";
    expect(tokenServer.log.slice(before)).toEqual([`GET - ${scope}`, `GET user ${scope}`]);
    const all = [...toMirror, ...toOrigin].filter((header) => header !== "");
    expect(all.every((header) => header.startsWith("Bearer "))).toBe(true);
    expect(toOrigin.some((header) => toMirror.includes(header) && header !== "")).toBe(false);
  });
});

test("a registry at an IPv6 address has logins like any other", async () => {
  const path = join(box.path("registries"), "htpasswd");
  const auth = { htpasswd: { realm: "test", path } };
  const server = await startRegistry(box.path("registries"), { auth, address: "[::1]" });
  const person = new Person("six");
  const image = `${server.host}/six/app:1`;
  expect(image).toStartWith("[::1]:");
  expect((await person.logIn(server.host)).status).toBe(0);
  await person.hb(pull(`${server.host}/app:1`));
  expect((await person.hb(["push", "-q", `${server.host}/app:1`, image])).status).toBe(0);
  expect((await person.hb(["run", "-q", "--pull", "always", image, "echo", "six"])).stdout).toBe(
    "six\n",
  );
  expect((await person.hb(["logout", server.host])).status).toBe(0);
  expect((await person.hb(pull(image))).status).toBe(1);
  await server.stop();
});

describe("a login is found", () => {
  const auth = btoa(user);
  const wrong = btoa("hb:wrong-secret");

  test("in a variable for its host, and in one that holds a file", async () => {
    const person = new Person("variables");
    const name = `HB_AUTH_${basic.host.replaceAll(".", "_").replace(":", "___")}`;
    const document = JSON.stringify({ auths: { [basic.host]: { auth } } });
    for (const env of [{ [name]: user }, { HB_REGISTRY_AUTH: document }]) {
      expect((await person.hb(pull(`${basic.host}/app:1`), undefined, env)).status).toBe(0);
    }
  });

  test("under the most specific name of podman's file", async () => {
    const person = new Person("specific");
    const auths = { [basic.host]: { auth: wrong }, [`${basic.host}/team`]: { auth } };
    person.write("run/containers/auth.json", { auths });
    expect((await person.hb(pull(`${basic.host}/team/app:1`))).status).toBe(0);
    const { status, stderr } = await person.hb(pull(`${basic.host}/app:1`));
    expect(status).toBe(1);
    expect(stderr).toContain("run/containers/auth.json is wrong or does not suffice");
  });

  test("with a helper, which is told secrets by its standard input only", async () => {
    const person = new Person("helper");
    const log = join(person.home, "log");
    const kept = join(person.home, "kept");
    const script = `#!/bin/sh
echo "$@" >> '${log}'
case $1 in
store) cat > '${kept}' ;;
get) cat '${kept}' 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
erase) rm '${kept}' ;;
esac
`;
    mkdirSync(join(person.home, "bin"));
    writeFileSync(join(person.home, "bin/docker-credential-test"), script, { mode: 0o755 });
    person.write(".docker/config.json", { credsStore: "test" });
    const env = { PATH: `${join(person.home, "bin")}:${process.env.PATH}` };
    const { host } = basic;
    expect((await person.hb(pull(`${host}/app:1`), undefined, env)).status).toBe(1);
    const argv = ["login", "-u", "hb", "--password-stdin", host];
    const loggedIn = await person.hb(argv, password, env);
    expect(loggedIn).toMatchObject({ status: 0, stderr: "" });
    expect(JSON.parse(readFileSync(kept, "utf8")).ServerURL).toBe(host);
    expect(readFileSync(person.file, "utf8")).not.toContain('auth"');
    expect((await person.hb(pull(`${host}/app:1`), undefined, env)).status).toBe(0);
    expect((await person.hb(["logout", host], undefined, env)).status).toBe(0);
    expect(existsSync(kept)).toBe(false);
    expect(readFileSync(log, "utf8")).toBe("get\nstore\nget\nerase\n");
  });
});

box.leavesNothingBehind();
