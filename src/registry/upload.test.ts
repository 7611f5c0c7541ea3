/** Uploads to registries that want pieces, refuse large ones, or break off in the middle. */

import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { makeCertificate } from "../../tests/registry/certificate.ts";
import { digestOf } from "../image/digest.ts";
import { parseReference } from "../image/reference.ts";
import { openRegistry } from "./client.ts";

const bytes = Uint8Array.from({ length: 40 << 20 }, (_, i) => (i * 7919) >> 5);
const descriptor = {
  mediaType: "application/octet-stream",
  digest: digestOf(bytes),
  size: bytes.length,
};
const content = {
  size: bytes.length,
  slice: (start: number, end: number) => new Blob([bytes.slice(start, end)]),
};
const clock = { now: Date.now, sleep: async () => undefined, random: () => 0.5 };
const login = { kind: "basic", username: "u", password: "secret", origin: "a test" } as const;

/** What a test's registry does with an upload: true where it has answered for itself. */
interface Double {
  readonly onPost?: Answer;
  readonly onPut?: Answer;
  readonly onPatch?: Answer;
  readonly onDelete?: Answer;
  readonly onHead?: Answer;
  readonly onToken?: Answer;
  readonly chunkMin?: number;
  /** Where uploads go, HOST being the registry; by default a path of its own. */
  readonly location?: string;
  /** Wants basic credentials, or a token of its own. */
  readonly auth?: "basic" | "token";
  readonly isTls?: boolean;
}

/** `count`: of its method, this one included. */
type Answer = (exchange: {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly count: number;
}) => boolean;

interface Got {
  bytes: Buffer;
  /** As `POST`, but those that are for every registry (/v2/) and refused for want of a login. */
  readonly requests: string[];
  readonly authorizations: (string | undefined)[];
  /** The scopes of each token. */
  readonly scopes: string[];
}

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
  isTls = false,
) {
  const listener = (request: IncomingMessage, response: ServerResponse) =>
    void answer(request, response);
  const server = isTls
    ? createTlsServer(makeCertificate("localhost"), listener)
    : createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A registry that takes one upload after another, and a client of it. */
async function start(double: Double) {
  const got: Got = { bytes: Buffer.alloc(0), requests: [], authorizations: [], scopes: [] };
  const host: string = await listen((request, response) => {
    const location = double.location?.replace("HOST", host);
    return takeUpload(request, response, { ...double, ...(location && { location }) }, got);
  }, double.isTls);
  const tlsVerify = double.isTls !== true;
  const registry = openRegistry({ clock, tlsVerify, credentials: async () => login });
  const reference = parseReference(`${host}/x:1`);
  return { got, host, uploader: registry.uploader(reference, new AbortController().signal) };
}

async function takeUpload(
  request: IncomingMessage,
  response: ServerResponse,
  double: Double,
  got: Got,
): Promise<void> {
  const { chunkMin, location = "/v2/x/blobs/uploads/1?state=a" } = double;
  const { method = "", headers } = request;
  const url = new URL(request.url ?? "/", `http://${headers.host}`);
  const end = (status: number, more: Record<string, string> = {}): void => {
    response.writeHead(status, more).end();
  };
  if (url.pathname === "/v2/") return end(200);
  if (url.pathname === "/token") {
    got.scopes.push(url.searchParams.getAll("scope").join(" "));
    if (double.onToken?.({ request, response, url, count: got.scopes.length })) return;
    response.end(JSON.stringify({ token: `t${got.scopes.length}`, expires_in: 300 }));
    return;
  }
  if (double.auth !== undefined && headers.authorization === undefined) {
    const realm = `Bearer realm="http://${headers.host}/token",scope="repository:x:pull,push"`;
    return end(401, { "www-authenticate": double.auth === "basic" ? "Basic realm=x" : realm });
  }
  got.requests.push(method);
  got.authorizations.push(headers.authorization);
  const count = got.requests.filter((each) => each === method).length;
  const { onPost, onPut, onPatch, onDelete, onHead } = double;
  const answers: Readonly<Record<string, Answer | undefined>> = {
    ...{ POST: onPost, PUT: onPut, PATCH: onPatch },
    ...{ DELETE: onDelete, HEAD: onHead },
  };
  if (answers[method]?.({ request, response, url, count })) return;
  const where = { location, ...(chunkMin === undefined ? {} : minimum(chunkMin)) };
  switch (method) {
    case "POST":
      got.bytes = Buffer.alloc(0);
      return end(202, where);
    case "HEAD":
      return end(404);
    case "DELETE":
      return end(204);
    case "GET":
      return end(204, { ...where, range: `0-${Math.max(0, got.bytes.length - 1)}` });
  }
  const isEnd = method === "PUT";
  const from = Number(headers["content-range"]?.split("-")[0]);
  const chunks = [got.bytes];
  for await (const chunk of request) chunks.push(chunk);
  if (!isEnd && from !== got.bytes.length) return end(416);
  got.bytes = Buffer.concat(chunks);
  const isWhole = url.searchParams.get("digest") === digestOf(got.bytes);
  end(isEnd ? (isWhole ? 201 : 400) : 202, where);
}

const minimum = (bytes: number) => ({ "oci-chunk-min-length": String(bytes) });

/** Hangs up in the middle of the body. */
function hangUp(request: IncomingMessage): boolean {
  request.once("data", () => request.socket.destroy());
  return true;
}

function refuse(response: ServerResponse, status: number, body: string): boolean {
  response.writeHead(status).end(body);
  return true;
}

describe("put()", () => {
  test("sends a blob in one piece, of known length, and says how far it is", async () => {
    const lengths: (string | undefined)[] = [];
    const { got, uploader } = await start({
      onPut: ({ request }) => {
        lengths.push(request.headers["content-length"]);
        return false;
      },
    });
    const positions: number[] = [];
    await uploader.put(descriptor, content, (position) => positions.push(position));
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.requests).toEqual(["POST", "PUT"]);
    expect(lengths).toEqual([String(bytes.length)]);
    expect(positions.at(-1)).toBe(bytes.length);
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
  });

  test("sends chunks where the registry says how large they are to be", async () => {
    const { got, uploader } = await start({ chunkMin: 20 << 20 });
    const positions: number[] = [];
    await uploader.put(descriptor, content, (position) => positions.push(position));
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.requests).toEqual(["POST", "PATCH", "PATCH", "PUT"]);
    expect(positions.at(-1)).toBe(bytes.length);
  });

  test("sends chunks after a proxy has refused the whole", async () => {
    const { got, uploader } = await start({
      onPut: ({ request, response }) =>
        Number(request.headers["content-length"]) > 20 << 20 && refuse(response, 413, "too large"),
    });
    await uploader.put(descriptor, content);
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.requests.filter((method) => method === "PATCH")).toHaveLength(3);
  });

  test("goes on from where the registry is after a chunk was lost", async () => {
    const { got, uploader } = await start({
      chunkMin: 1,
      onPatch: ({ count, response }) => count === 2 && refuse(response, 416, ""),
    });
    await uploader.put(descriptor, content);
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.requests).toEqual(["POST", "PATCH", "PATCH", "GET", "PATCH", "PATCH", "PUT"]);
  });

  test("goes on in chunks after the connection has broken, and asks what has arrived", async () => {
    const { got, uploader } = await start({
      onPut: ({ count, request }) => count === 1 && hangUp(request),
      onPatch: ({ count, request }) => count === 2 && hangUp(request),
    });
    await uploader.put(descriptor, content);
    expect(got.bytes.equals(bytes)).toBe(true);
    const chunked = ["PATCH", "PATCH", "GET", "PATCH", "PATCH", "PUT"];
    expect(got.requests).toEqual(["POST", "PUT", "HEAD", "POST", ...chunked]);
  });

  test("begins anew where the registry has lost the upload, or fails for a moment", async () => {
    for (const status of [404, 503]) {
      const { got, uploader } = await start({
        onPut: ({ count, response }) => count === 1 && refuse(response, status, "gone"),
      });
      await uploader.put(descriptor, content);
      expect(got.bytes.equals(bytes)).toBe(true);
    }
  });

  test("asks for a new token when the old one ends in the middle of an upload", async () => {
    const { got, uploader } = await start({
      auth: "token",
      chunkMin: 1,
      onPatch: ({ count, response, request }) => {
        if (count !== 2) return false;
        const realm = `http://${request.headers.host}/token`;
        response.setHeader("www-authenticate", `Bearer realm="${realm}",error="invalid_token"`);
        return refuse(response, 401, "");
      },
    });
    await uploader.put(descriptor, content);
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.authorizations.slice(0, 2)).toEqual(["Bearer t1", "Bearer t1"]);
    expect(got.authorizations.at(-1)).toBe("Bearer t2");
  });

  test.each(["basic", "token"] as const)(
    "shows no credentials (%s) to another host that an upload leads to",
    async (auth) => {
      const elsewhere: Got = {
        bytes: Buffer.alloc(0),
        requests: [],
        authorizations: [],
        scopes: [],
      };
      const other = await listen((request, response) =>
        takeUpload(request, response, { location: `http://${other}/upload/2` }, elsewhere),
      );
      const { got, uploader } = await start({
        auth,
        chunkMin: 1,
        location: `http://${other}/upload`,
      });
      await uploader.put(descriptor, content);
      expect(got.requests).toEqual(["POST"]);
      expect(got.authorizations).toEqual([expect.any(String)]);
      expect(elsewhere.bytes.equals(bytes)).toBe(true);
      expect(new Set(elsewhere.authorizations)).toEqual(new Set([undefined]));
    },
  );

  test("stays with HTTPS where a registry behind a proxy believes in HTTP", async () => {
    const { got, uploader } = await start({ isTls: true, location: "http://HOST/v2/x/1" });
    await uploader.put(descriptor, content);
    expect(got.bytes.equals(bytes)).toBe(true);
  });

  test("sends nothing to where HTTPS would become plain HTTP", async () => {
    const other = await listen(() => expect.unreachable());
    const { uploader } = await start({ isTls: true, location: `http://${other}/1` });
    await expect(uploader.put(descriptor, content)).rejects.toThrow(/from HTTPS to plain HTTP/);
  });

  test("gives up on a registry that refuses the blob, and says why", async () => {
    const denied = JSON.stringify({ errors: [{ code: "DENIED", message: "read only" }] });
    const { uploader } = await start({ onPut: ({ response }) => refuse(response, 403, denied) });
    await expect(uploader.put(descriptor, content)).rejects.toThrow(/DENIED: read only/);
  });
});

test("has() is false where the registry lacks the blob, or allows no HEAD", async () => {
  for (const status of [404, 405]) {
    const { uploader } = await start({ onHead: ({ response }) => refuse(response, status, "") });
    expect(await uploader.has(descriptor)).toBe(false);
  }
  const { uploader } = await start({ onHead: ({ response }) => refuse(response, 200, "") });
  expect(await uploader.has(descriptor)).toBe(true);
});

describe("mount()", () => {
  test("is false where the registry starts an upload instead, which is given up", async () => {
    const { got, uploader } = await start({});
    expect(await uploader.mount(descriptor, "other")).toBe(false);
    expect(got.requests).toEqual(["POST", "DELETE"]);
  });

  test("is false where the registry refuses, and where it cannot give an upload up", async () => {
    for (const status of [400, 404, 405]) {
      const refused = await start({ onPost: ({ response }) => refuse(response, status, "") });
      expect(await refused.uploader.mount(descriptor, "other")).toBe(false);
      const kept = await start({ onDelete: ({ response }) => refuse(response, status, "") });
      expect(await kept.uploader.mount(descriptor, "other")).toBe(false);
    }
  });

  test("asks for a token that may read the other repository, too", async () => {
    const { got, uploader } = await start({
      auth: "token",
      onPost: ({ response }) => refuse(response, 201, ""),
    });
    expect(await uploader.mount(descriptor, "team/other")).toBe(true);
    expect(got.scopes).toEqual(["repository:x:pull,push repository:team/other:pull"]);
  });

  test("is false where the token service refuses that, and the blob is uploaded", async () => {
    const { got, uploader } = await start({
      auth: "token",
      onToken: ({ url, response }) =>
        url.searchParams.getAll("scope").length > 1 && refuse(response, 403, "no"),
    });
    expect(await uploader.mount(descriptor, "team/other")).toBe(false);
    await uploader.put(descriptor, content);
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.scopes.at(-1)).toBe("repository:x:pull,push");
  });
});
