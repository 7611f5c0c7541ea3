/** Files from web servers that break connections, change files and send elsewhere. */

import { describe, expect, test } from "bun:test";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { formatError } from "../errors.ts";
import { download } from "./download.ts";

const content = Buffer.from("0123456789".repeat(1000));

/** What comes before a connection breaks. */
const partBytes = 3000;
/** Breaks the connection, once what was sent has come: some clients drop it otherwise. */
let cut: () => void = () => undefined;

interface Server {
  readonly url: URL;
  /** `PATH RANGE AUTHORIZATION` of each request. */
  readonly asked: string[];
}

interface Manner {
  /** So many bodies end early. */
  readonly breaks?: number;
  /** The ETags of the answers one after the other, the last one for good; none when empty. */
  readonly tags?: readonly string[];
  readonly ignoresRange?: boolean;
  readonly location?: string;
  readonly status?: number;
}

async function withServer<T>(manner: Manner, body: (server: Server) => Promise<T>): Promise<T> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { range = "", authorization = "" } = request.headers;
    const tag = manner.tags?.[asked.length] ?? manner.tags?.at(-1);
    const index = asked.push(`${request.url} ${range} ${authorization}`.trim());
    if (manner.location !== undefined && request.url === "/") {
      return response.writeHead(302, { location: manner.location }).end();
    }
    if (manner.status !== undefined) return response.writeHead(manner.status).end("<html>");
    const isSame = request.headers["if-range"] === tag && manner.ignoresRange !== true;
    const start = isSame ? Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0) : 0;
    const rest = content.subarray(start);
    response.writeHead(start > 0 ? 206 : 200, {
      "content-length": String(rest.length),
      ...(tag === undefined ? {} : { etag: tag }),
      ...(start > 0 ? { "content-range": `bytes ${start}-9999/10000` } : {}),
    });
    if (index > (manner.breaks ?? 0)) return response.end(rest);
    cut = () => response.socket?.destroy();
    return response.write(rest.subarray(0, partBytes));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await body({ url: new URL(`http://127.0.0.1:${port}/`), asked });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const clock = { now: () => 0, random: () => 1, sleep: async () => undefined };

async function get(url: URL, sizes: number[] = []): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const signal = new AbortController().signal;
  const onSize = (bytes: number) => sizes.push(bytes);
  const notice = () => undefined;
  const options = { doing: "Cannot get x", tlsVerify: true, notice, onSize, signal, clock };
  let received = 0;
  for await (const chunk of download(url, options)) {
    chunks.push(chunk);
    received += chunk.length;
    if (received % partBytes === 0) cut();
  }
  return Buffer.concat(chunks);
}

describe("download()", () => {
  test("goes on where a connection broke, if it is the same file still", async () => {
    await withServer({ breaks: 2, tags: ['"a"'] }, async ({ url, asked }) => {
      const sizes: number[] = [];
      expect((await get(url, sizes)).equals(content)).toBe(true);
      expect(asked).toEqual(["/", "/ bytes=3000-", "/ bytes=6000-"]);
      expect(sizes).toEqual([10_000]);
    });
  });

  test("skips what it has where the server knows no ranges", async () => {
    await withServer({ breaks: 1, tags: ['"a"'], ignoresRange: true }, async ({ url }) => {
      expect((await get(url)).equals(content)).toBe(true);
    });
  });

  test("does not mix two states of a file, nor take half of one", async () => {
    await withServer({ breaks: 1, tags: ['"a"', '"b"'] }, async ({ url }) => {
      await expect(get(url)).rejects.toThrow(/it has changed since its first 3000 bytes came/);
    });
    for (const tags of [[], ['W/"weak"']]) {
      await withServer({ breaks: 1, tags }, async ({ url, asked }) => {
        const failed = await get(url).catch(formatError);
        expect(failed).toContain("Cannot get x after 3000 bytes: 127.0.0.1");
        expect(asked.length).toBe(1);
      });
    }
  });

  test("shows user and password to the server they are for, and to no other", async () => {
    await withServer({}, async (other) => {
      const location = other.url.href.replace("127.0.0.1", "localhost");
      await withServer({ location: `${location}file` }, async ({ url, asked }) => {
        url.username = "me%40home";
        url.password = "50%";
        expect((await get(url)).length).toBe(content.length);
        expect(asked).toEqual([`/  Basic ${btoa("me@home:50%")}`]);
        expect(other.asked).toEqual(["/file"]);
      });
    });
  });

  test.each([
    [404, "Cannot get x: 404 not found"],
    [403, "Cannot get x: 403 forbidden; write http…://USER:PASSWORD@HOST/…, where it wants"],
    [410, "Cannot get x: 410 unexpected status"],
  ])("says what a server answers with %d, and nothing of its page", async (status, line) => {
    await withServer({ status }, async ({ url }) => {
      const said = await get(url).catch(formatError);
      expect(said).toStartWith(line);
      expect(said).not.toContain("html");
    });
  });

  test("asks again where a server fails in passing", async () => {
    await withServer({ status: 503 }, async ({ url, asked }) => {
      await expect(get(url)).rejects.toThrow("503 service unavailable");
      expect(asked.length).toBe(5);
    });
  });
});
