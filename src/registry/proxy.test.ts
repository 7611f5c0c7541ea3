/** Proxy or not, by what the environment says. */

import { describe, expect, test } from "bun:test";
import { proxyFor } from "./proxy.ts";

const proxy = "http://proxy.test:3128/";

function through(url: string, env: Record<string, string>): string | false {
  return proxyFor(new URL(url), env);
}

describe("proxyFor()", () => {
  test.each<[string, Record<string, string>, string | false]>([
    ["https://r.test/", { HTTPS_PROXY: proxy }, proxy],
    ["https://r.test/", { https_proxy: proxy, HTTPS_PROXY: "http://other.test" }, proxy],
    ["https://r.test/", { HTTP_PROXY: proxy }, false],
    ["http://r.test/", { HTTP_PROXY: proxy }, proxy],
    ["http://r.test/", { ALL_PROXY: proxy }, proxy],
    ["http://r.test/", { HTTP_PROXY: "proxy.test:3128" }, proxy],
    ["http://r.test/", { HTTP_PROXY: "" }, false],
    ["https://127.0.0.1:5000/", { HTTPS_PROXY: proxy }, false],
    ["https://[::1]/", { HTTPS_PROXY: proxy }, false],
    ["https://localhost/", { HTTPS_PROXY: proxy }, false],
  ])("%s with %j", (url, env, expected) => {
    expect(through(url, env)).toBe(expected);
  });

  test.each([
    ["*", "https://r.test/"],
    ["r.test", "https://r.test/"],
    ["R.Test", "https://r.test/"],
    ["test", "https://a.r.test/"],
    [".r.test", "https://a.r.test/"],
    [".r.test", "https://r.test/"],
    ["*.r.test", "https://a.r.test/"],
    ["a.test, r.test", "https://r.test/"],
    ["a.test r.test", "https://r.test/"],
    ["r.test:443", "https://r.test/"],
    ["r.test:5000", "https://r.test:5000/"],
    ["10.1.2.3", "https://10.1.2.3/"],
    ["10.0.0.0/8", "https://10.200.2.3:5000/"],
    ["10.1.2.128/25", "https://10.1.2.200/"],
    ["0.0.0.0/0", "https://192.0.2.1/"],
    ["fd00::/8", "https://[fd12::1]/"],
    ["[fd12::1]:5000", "https://[fd12:0:0::1]:5000/"],
    ["fd12::1", "https://[fd12::1]/"],
  ])("NO_PROXY=%s exempts %s", (list, url) => {
    expect(through(url, { HTTPS_PROXY: proxy, NO_PROXY: list })).toBe(false);
  });

  test.each([
    ["r.test", "https://evilr.test/"],
    ["r.test", "https://r.test.evil/"],
    ["r.test:5000", "https://r.test/"],
    ["10.0.0.0/8", "https://11.0.0.1/"],
    ["10.1.2.128/25", "https://10.1.2.100/"],
    ["10.0.0.0/33", "https://10.0.0.1/"],
    ["10.0.0.0/", "https://10.0.0.1/"],
    ["10.0.0.0/8", "https://r.test/"],
    ["fd00::/8", "https://[fe80::1]/"],
    [".", "https://r.test/"],
  ])("NO_PROXY=%s leaves %s to the proxy", (list, url) => {
    expect(through(url, { HTTPS_PROXY: proxy, no_proxy: list })).toBe(proxy);
  });

  test.each(["socks5://proxy.test:1080", "http://", "a b"])("%j is refused unquoted", (text) => {
    expect(() => through("https://r.test", { HTTPS_PROXY: text })).toThrow(
      /^Cannot use HTTPS_PROXY: it is no address of an HTTP proxy$/,
    );
  });
});
