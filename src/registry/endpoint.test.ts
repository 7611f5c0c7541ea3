/** Which registries are spoken to how. */

import { describe, expect, test } from "bun:test";
import { endpointOf, isLoopback } from "./endpoint.ts";

describe("isLoopback()", () => {
  for (const host of ["localhost", "localhost:5000", "a.localhost", "127.1.2.3:80", "[::1]:5000"]) {
    test(`${host} is`, () => expect(isLoopback(host)).toBe(true));
  }
  for (const host of [
    "localhost.evil.com",
    "127.0.0.1.evil.com",
    "10.0.0.1",
    "[::2]",
    "notlocalhost",
  ]) {
    test(`${host} is not`, () => expect(isLoopback(host)).toBe(false));
  }
});

describe("endpointOf()", () => {
  test("knows where docker.io answers", () => {
    expect(endpointOf("docker.io", true)).toEqual({
      host: "registry-1.docker.io",
      schemes: ["https"],
    });
  });

  test("tries plain HTTP first on this machine", () => {
    expect(endpointOf("localhost:5000", true).schemes).toEqual(["http", "https"]);
  });

  test("tries plain HTTP elsewhere only when asked not to verify, and last", () => {
    expect(endpointOf("registry.test", false).schemes).toEqual(["https", "http"]);
  });
});
