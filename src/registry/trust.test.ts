/** Which files decide about a host, from a machine made of temporary folders. */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { makeCertificate } from "../../tests/registry/certificate.ts";
import { TrustStore } from "./trust.ts";

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true });
});

const [one, two, three] = ["one", "two", "three"].map(makeCertificate) as [Pair, Pair, Pair];
type Pair = ReturnType<typeof makeCertificate>;

/** The trust of a machine with these files. */
function machine(files: Readonly<Record<string, string>>, env: Record<string, string> = {}) {
  const root = mkdtempSync(join(tmpdir(), "trust-"));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const inside = Object.entries(env).map(([name, path]) => [name, join(root, path)]);
  return new TrustStore({ root, env: { HOME: join(root, "home"), ...Object.fromEntries(inside) } });
}

const bundle = { "etc/ssl/certs/ca-certificates.crt": one.cert };
const dockerDirectory = "etc/docker/certs.d";
const userDirectory = "home/.config/containers/certs.d";

describe("tlsFor()", () => {
  test("leaves the choice to fetch on a machine without any CA", () => {
    expect(machine({}).tlsFor("a.test", "a.test")).toEqual({});
  });

  test("trusts the system's store, then SSL_CERT_FILE in its place", () => {
    expect(machine(bundle).tlsFor("a.test", "a.test")).toEqual({ ca: [one.cert] });
    const chosen = machine({ ...bundle, "my.pem": two.cert }, { SSL_CERT_FILE: "my.pem" });
    expect(chosen.tlsFor("a.test", "a.test")).toEqual({ ca: [two.cert] });
  });

  test("adds a registry's CAs to the built-in ones where there is no system store", () => {
    const { ca = [] } = machine({ [`${dockerDirectory}/a.test/ca.crt`]: two.cert }).tlsFor(
      "a.test",
      "a.test",
    );
    expect(ca.length).toBeGreaterThan(50);
    expect(ca.at(-1)).toBe(two.cert);
  });

  test("prefers the user's directory, and takes one only", () => {
    const files = {
      ...bundle,
      [`${userDirectory}/a.test:5000/ca.crt`]: two.cert,
      [`${dockerDirectory}/a.test:5000/ca.crt`]: three.cert,
    };
    const trust = machine(files);
    expect(trust.tlsFor("a.test:5000", "a.test:5000").ca).toEqual([one.cert, two.cert]);
    expect(trust.tlsFor("a.test", "a.test").ca).toEqual([one.cert]);
  });

  test("finds the directory of a default port, and Docker Hub's by its usual name", () => {
    const files = {
      ...bundle,
      [`${dockerDirectory}/a.test:443/ca.crt`]: two.cert,
      [`${dockerDirectory}/docker.io/ca.crt`]: three.cert,
    };
    const trust = machine(files);
    expect(trust.tlsFor("a.test", "a.test").ca).toEqual([one.cert, two.cert]);
    const hub = "registry-1.docker.io";
    expect(trust.tlsFor(hub, hub).ca).toEqual([one.cert, three.cert]);
  });

  test("trusts a registry's CA for what it leads to, but shows the certificate to it alone", () => {
    const files = {
      ...bundle,
      [`${dockerDirectory}/a.test/ca.crt`]: two.cert,
      [`${dockerDirectory}/a.test/me.cert`]: three.cert,
      [`${dockerDirectory}/a.test/me.key`]: three.key,
    };
    const trust = machine(files);
    expect(trust.tlsFor("a.test", "a.test")).toMatchObject({ cert: three.cert, key: three.key });
    expect(trust.tlsFor("tokens.test", "a.test")).toEqual({ ca: [one.cert, two.cert] });
    expect(trust.tlsFor("a.test", "other.test").ca).toEqual([one.cert, two.cert]);
  });

  test("never leaves certs.d, whatever a redirect calls its host", () => {
    const trust = machine({ ...bundle, "etc/docker/evil.crt": two.cert });
    expect(trust.tlsFor("..", "..").ca).toEqual([one.cert]);
  });

  test.each([
    [{ SSL_CERT_FILE: "missing" }, /CA file \S+missing \(SSL_CERT_FILE\): there is no/],
    [{ SSL_CERT_DIR: "missing" }, /SSL_CERT_DIR \S+missing: there is no such directory/],
  ])("%j is refused", (env, message) => {
    expect(() => machine(bundle, env).tlsFor("a.test", "a.test")).toThrow(message);
  });

  test("a certificate without its key is refused", () => {
    const trust = machine({ [`${dockerDirectory}/a.test/me.cert`]: one.cert });
    expect(() => trust.tlsFor("a.test", "a.test")).toThrow(/me\.cert: there is no \S+me\.key$/);
  });
});
