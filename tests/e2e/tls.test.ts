/** Registries behind TLS of an authority nobody else knows, from real servers. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Authority, type KeyPair } from "../setup/authority.ts";
import { pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { type Registry, startRegistry } from "../setup/registry.ts";
import { Box } from "./harness.ts";

const box = new Box();
const folder = box.path("tls");
const authority = new Authority(join(folder, "ca"));
const server = authority.issue("server", ["DNS:localhost", "IP:127.0.0.1", "IP:::1"]);
const client: KeyPair = authority.issue("client");
const registries: Registry[] = [];
let secure: Registry;
let mutual: Registry;

beforeAll(async () => {
  const plain = await startRegistry(folder);
  secure = await startRegistry(folder, { tls: server });
  mutual = await startRegistry(folder, { tls: { ...server, clientCa: authority.cert } });
  registries.push(plain, secure, mutual);
  const config = { Env: ["PATH=/bin"] };
  await pushImage(plain.host, "app:1", [busyboxLayer()], { config });
});

afterAll(() => Promise.all(registries.map((registry) => registry.stop())));

/** `hb pull` of the image: its manifest is always asked for, whatever the store has. */
function pull(registry: Registry, flags: string[] = [], env: Record<string, string> = {}) {
  return box.hb(["pull", "-q", ...flags, `${registry.host}/app:1`], { env });
}

function succeeded(result: { status: number; stderr: string }): void {
  expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: "" });
}

/** Puts `files` where hb looks for what belongs to the registry, while `body` runs. */
async function withCertificates(
  registry: Registry,
  files: Readonly<Record<string, string>>,
  body: () => Promise<void>,
): Promise<void> {
  const config = box.path("home", ".config");
  const directory = join(config, "containers/certs.d", registry.host);
  mkdirSync(directory, { recursive: true });
  for (const [name, from] of Object.entries(files)) copyFileSync(from, join(directory, name));
  try {
    await body();
  } finally {
    rmSync(config, { recursive: true });
  }
}

describe("a CA of the company's own", () => {
  test("is unknown at first, and the one line says which file to put where", async () => {
    const line = await box.failure(1, ["pull", `${secure.host}/app:1`]);
    expect(line).toContain(`certificate of ${secure.host} is from an unknown authority`);
    expect(line).toContain(`~/.config/containers/certs.d/${secure.host}/ca.crt`);
    expect(line).toContain("--cacert FILE");
  });

  test("is trusted by --cacert, of pull and of run", async () => {
    succeeded(await pull(secure, ["--cacert", authority.cert]));
    const image = `${secure.host}/app:1`;
    const flags = ["--pull", "always", "--cacert", authority.cert];
    expect(await box.output(...flags, image, "echo", "hello")).toBe("hello");
  });

  test("is trusted from the host's own certs.d directory, and for no other host", async () => {
    await withCertificates(secure, { "ca.crt": authority.cert }, async () => {
      succeeded(await pull(secure));
      expect((await pull(mutual)).stderr).toContain("unknown authority");
    });
  });

  test("is trusted from SSL_CERT_FILE and SSL_CERT_DIR", async () => {
    succeeded(await pull(secure, [], { SSL_CERT_FILE: authority.cert }));
    succeeded(await pull(secure, [], { SSL_CERT_DIR: dirname(authority.cert) }));
  });

  test("is not asked about with --tls-verify=false, which is worth a notice", async () => {
    const { status, stderr } = await pull(secure, ["--tls-verify=false"]);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: `hb: notice: The TLS certificate of ${secure.host} is not checked\n`,
    });
  });

  test("works for an IPv6 literal", async () => {
    const six = await startRegistry(folder, { tls: server, address: "[::1]" });
    registries.push(six);
    succeeded(await pull(six, ["--cacert", authority.cert]));
  });
});

describe("a certificate that is wrong in another way", () => {
  test("is for another name", async () => {
    const tls = authority.issue("elsewhere", ["DNS:registry.example"]);
    const other = await startRegistry(folder, { tls });
    registries.push(other);
    const result = await pull(other, ["--cacert", authority.cert]);
    expect(result.stderr).toContain(`certificate of ${other.host} is for another name`);
  });

  test.each([
    ["missing", undefined, "there is no"],
    ["no-pem", "hello\n", "there is no certificate in it"],
    ["damaged", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is damaged"],
  ])("--cacert: a file that is %s", async (name, content, cause) => {
    const path = join(folder, name);
    if (content !== undefined) writeFileSync(path, content);
    const line = await box.failure(1, ["pull", "--cacert", path, `${secure.host}/app:1`]);
    expect(line).toContain(`CA file ${path} (--cacert)`);
    expect(line).toContain(cause);
  });
});

describe("a registry that wants a client certificate", () => {
  const own = { "ca.crt": authority.cert, "client.cert": client.cert, "client.key": client.key };

  test("gets the one of its certs.d directory", async () => {
    await withCertificates(mutual, own, async () => succeeded(await pull(mutual)));
  });

  test("is named as the cause when there is none", async () => {
    const { stderr } = await pull(mutual, ["--cacert", authority.cert]);
    expect(stderr).toContain("put client.cert and client.key beside its ca.crt in certs.d");
  });

  test("a key of another certificate is one line, and nothing of the key is in it", async () => {
    const wrong = { ...own, "client.key": server.key };
    await withCertificates(mutual, wrong, async () => {
      const { status, stderr } = await pull(mutual);
      expect(status).toBe(1);
      expect(stderr).toMatch(/^hb: [^\n]*client\.key is not its key\n$/);
      expect(stderr).not.toContain(readFileSync(server.key, "utf8").split("\n")[1] ?? "");
    });
  });
});

box.leavesNothingBehind();
