/** `-p` and `-P`, in every form. */

import { describe, expect, test } from "bun:test";
import { formatPublish, parsePorts, parsePublish } from "./ports.ts";

function read(text: string): string[] {
  return parsePublish(text).map(({ protocol, hostAddress, hostPort, containerPort }) => {
    return `${hostAddress}|${hostPort}|${containerPort}|${protocol}`;
  });
}

describe("parsePublish()", () => {
  test.each([
    ["8080:80", ["|8080|80|tcp"]],
    ["127.0.0.1:8080:80", ["127.0.0.1|8080|80|tcp"]],
    ["[::1]:8080:80", ["::1|8080|80|tcp"]],
    ["[::1]::80/udp", ["::1|0|80|udp"]],
    ["127.0.0.1::80", ["127.0.0.1|0|80|tcp"]],
    ["80", ["|0|80|tcp"]],
    ["53:53/UDP", ["|53|53|udp"]],
    ["8000-8002:9000-9002", ["|8000|9000|tcp", "|8001|9001|tcp", "|8002|9002|tcp"]],
    ["90-91", ["|0|90|tcp", "|0|91|tcp"]],
  ])("reads %s", (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  test.each([
    ["", /malformed/],
    ["a:80", /"a" is no port/],
    ["127.0.0.1:80", /"127\.0\.0\.1" is no port/],
    ["host:1:2", /"host" is no IP address/],
    ["0:80", /1 to 65535/],
    ["80:65536", /1 to 65535/],
    ["1:2:3:4", /malformed/],
    ["::1:80:80", /malformed/],
    ["80:80/sctp", /not "sctp"/],
    ["8000-8010:9000-9005", /11 ports of the host for 6 of the container/],
    ["9-8:9-8", /ends before it begins/],
    ["-1:80", /"-1" is no port/],
  ])("refuses %j", (text, message) => {
    expect(() => parsePublish(text)).toThrow(message);
  });
});

describe("parsePorts()", () => {
  const none = { all: false, exposed: [] };

  test("takes EXPOSEd ports on random ones with -P, but for those -p names", () => {
    const ports = parsePorts(["8080:80"], { all: true, exposed: ["80/tcp", "53/udp", "443"] });
    expect(ports.map(({ hostPort, containerPort }) => [hostPort, containerPort])).toEqual([
      [8080, 80],
      [0, 53],
      [0, 443],
    ]);
  });

  test("refuses one port of the host twice, also where one of them is on every address", () => {
    expect(() => parsePorts(["80:80", "80:81"], none)).toThrow(/"80:80" has port 80 already/);
    expect(() => parsePorts(["80:80", "127.0.0.1:80:81"], none)).toThrow(/already/);
    expect(parsePorts(["80:80", "80:80/udp", "81:80"], none)).toHaveLength(3);
    expect(parsePorts(["127.0.0.1:80:80", "[::1]:80:80"], none)).toHaveLength(2);
  });
});

test("formatPublish() shows the host's side first", () => {
  const port = { protocol: "tcp", hostAddress: "", hostPort: 49153, containerPort: 80 } as const;
  expect(formatPublish(port)).toBe("0.0.0.0:49153 -> 80/tcp");
  expect(formatPublish({ ...port, hostAddress: "::1" })).toBe("[::1]:49153 -> 80/tcp");
});
