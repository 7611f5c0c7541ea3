/** Pulls through a recording proxy, from a real registry that only the proxy can find. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { Authority } from "../setup/authority.ts";
import { pushImage } from "../setup/image.ts";
import { busyboxLayer } from "../setup/images.ts";
import { type RecordingProxy, startProxy } from "../setup/proxy.ts";
import { type Registry, startRegistry } from "../setup/registry.ts";
import { Box } from "./harness.ts";

const box = new Box();
const folder = box.path("proxied");
const authority = new Authority(join(folder, "ca"));
let plain: Registry;
let secure: Registry;
let proxy: RecordingProxy;
let image: string;

beforeAll(async () => {
  plain = await startRegistry(folder);
  secure = await startRegistry(folder, { tls: authority.issue("server", ["DNS:registry.test"]) });
  proxy = await startProxy();
  await pushImage(plain.host, "app:1", [busyboxLayer()], { config: {} });
  image = `registry.test:${secure.host.split(":")[1]}/app:1`;
});

afterAll(async () => {
  proxy.stop();
  await Promise.all([plain.stop(), secure.stop()]);
});

function pull(env: Readonly<Record<string, string>>, ...flags: string[]) {
  proxy.requests.length = 0;
  return box.hb(["pull", "-q", "--cacert", authority.cert, ...flags, image], { env });
}

const host = () => image.split("/")[0] ?? "";

test.each(["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])(
  "%s is a tunnel to the host",
  async (name) => {
    const { status, stderr } = await pull({ [name]: proxy.url });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(new Set(proxy.requests)).toEqual(new Set([`CONNECT ${host()} HTTP/1.1`]));
  },
);

test("an address without a scheme is a proxy's, too", async () => {
  const { status } = await pull({ HTTPS_PROXY: proxy.url.replace("http://", "") });
  expect(status).toBe(0);
  expect(proxy.requests.length).toBeGreaterThan(0);
});

test("HTTP_PROXY is for plain HTTP", async () => {
  const name = `registry.test:${plain.host.split(":")[1]}/app:1`;
  proxy.requests.length = 0;
  const env = { HTTP_PROXY: proxy.url };
  const { status, stderr } = await box.hb(["pull", "-q", "--tls-verify=false", name], { env });
  expect(status).toBe(0);
  expect(stderr).toContain("has no TLS");
  expect(proxy.requests[0]).toMatch(/^GET http:\/\/registry\.test:\d+\/v2\/ HTTP\/1\.1$/);
});

test.each(["registry.test", ".test", "*"])("NO_PROXY=%s goes without it", async (list) => {
  const { status, stderr } = await pull({ HTTPS_PROXY: proxy.url, NO_PROXY: list });
  expect(status).toBe(1);
  expect(stderr).toContain("registry.test");
  expect(proxy.requests).toEqual([]);
});

test("NO_PROXY of a range exempts addresses in it", async () => {
  const env = { HTTPS_PROXY: proxy.url, NO_PROXY: "198.51.100.0/24" };
  proxy.requests.length = 0;
  const name = `203.0.113.7:${secure.host.split(":")[1]}/app:1`;
  const flags = ["--cacert", authority.cert];
  const { stderr } = await box.hb(["pull", "-q", ...flags, name], { env });
  expect(stderr).toContain("is for another name");
  expect(proxy.requests.length).toBe(1);
});

test("this machine's own registry is asked directly", async () => {
  proxy.requests.length = 0;
  const env = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url };
  expect((await box.hb(["pull", "-q", `${plain.host}/app:1`], { env })).status).toBe(0);
  expect(proxy.requests).toEqual([]);
});

test("a login for the proxy is sent to it, and is in no message", async () => {
  const guarded = await startProxy("me:s3cret");
  const env = { HTTPS_PROXY: guarded.url.replace("//", "//me:s3cret@") };
  expect((await pull(env)).status).toBe(0);
  const wrong = await pull({ HTTPS_PROXY: guarded.url.replace("//", "//me:wr0ng@") });
  guarded.stop();
  expect(wrong.status).toBe(1);
  expect(wrong.stderr).toContain("proxy");
  expect(wrong.stderr).not.toContain("wr0ng");
});

test("a proxy that is not there is named, with what to do", async () => {
  const { status, stderr } = await pull({ HTTPS_PROXY: "http://127.0.0.1:1" });
  expect(status).toBe(1);
  expect(stderr).toContain(`${host()} through proxy 127.0.0.1:1: 127.0.0.1:1 refuses connections`);
  expect(stderr).toContain("NO_PROXY");
});

box.leavesNothingBehind();
