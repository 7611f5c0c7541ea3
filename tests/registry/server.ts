/**
 * A registry to test against: pull only, in this process, and misbehaving on request. It speaks
 * node:http rather than Bun.serve, which cannot promise a length and break the promise.
 *
 * Knows nothing of hb. `faults.ts` has the misbehaviours.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import {
  type Book,
  type Exchange,
  type Handler,
  type LoggedRequest,
  send,
  sendBlob,
  sendError,
} from "./answer.ts";
import { makeCertificate } from "./certificate.ts";
import { type Fault, type FaultName, faults } from "./faults.ts";
import { type Blob, type Image, randomImage } from "./image.ts";

export interface RegistryOptions {
  readonly faults?: readonly FaultName[];
  /** Images by `repository:tag`. Default: `test/image:latest`, random. */
  readonly images?: Readonly<Record<string, Image>>;
  readonly port?: number;
  /** Speak HTTPS, with a certificate nobody trusts. */
  readonly tls?: boolean;
  /** Where faults that cut a body cut it. Default: its middle. */
  readonly cutAt?: number;
}

export interface RunningRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly port: number;
  /** `HOST/test/image:latest`, or the first image given. */
  readonly reference: string;
  readonly requests: readonly LoggedRequest[];
  /** What reached the second host of the faults that redirect there. */
  readonly elsewhere: readonly LoggedRequest[];
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a registry on a free port of 127.0.0.1. */
export async function startRegistry(options: RegistryOptions = {}): Promise<RunningRegistry> {
  const registry = new Registry(options);
  await registry.start(options.port ?? 0);
  return registry;
}

class Registry implements RunningRegistry, Book {
  readonly requests: LoggedRequest[] = [];
  readonly elsewhere: LoggedRequest[] = [];
  readonly #state = new Map<string, number>();
  readonly #handlers: readonly Handler[];
  readonly #counts = new Map<string, number>();
  readonly #documents = new Map<string, Blob>();
  readonly #blobs = new Map<string, Blob>();
  readonly #cutAt: number | undefined;
  readonly #tls: boolean;
  readonly #firstName: string;
  #server: Server | undefined;
  #other: Server | undefined;
  port = 0;
  otherPort = 0;

  constructor(options: RegistryOptions) {
    const images = options.images ?? { "test/image:latest": randomImage() };
    for (const [name, image] of Object.entries(images)) this.#add(name, image);
    this.#firstName = Object.keys(images)[0] ?? "test/image:latest";
    this.#cutAt = options.cutAt;
    this.#tls = options.tls ?? false;
    const chosen: readonly Fault[] = (options.faults ?? []).map((name) => faults[name]);
    for (const fault of chosen) {
      for (const [name, image] of Object.entries(fault.images?.() ?? {})) this.#add(name, image);
    }
    this.#handlers = chosen.flatMap(({ handle }) => (handle === undefined ? [] : [handle]));
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get reference(): string {
    return `${this.host}/${this.#firstName}`;
  }

  async start(port: number): Promise<void> {
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      this.#answer(request, response);
    this.#server = this.#tls
      ? createTlsServer(makeCertificate("localhost"), answer)
      : createServer(answer);
    this.port = await listen(this.#server, port);
    this.#other = createServer((request, response) => {
      this.elsewhere.push(logged(request));
      const blob = this.#blobs.get(request.url?.split("/").at(-1)?.split("?")[0] ?? "");
      // What an object store does when it is sent two kinds of credentials.
      if (request.headers.authorization !== undefined)
        return send(response, 400, "two credentials");
      return blob === undefined ? send(response, 404, "") : sendBlob(request, response, blob);
    });
    this.otherPort = await listen(this.#other, 0);
  }

  async stop(): Promise<void> {
    // A silent or stalled answer would keep the server open for ever.
    for (const server of [this.#server, this.#other]) {
      server?.closeAllConnections();
      server?.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Counts under a name of a fault's own choice. */
  next(name: string): number {
    const count = (this.#state.get(name) ?? 0) + 1;
    this.#state.set(name, count);
    return count;
  }

  #add(name: string, image: Image): void {
    const colon = name.lastIndexOf(":");
    this.#documents.set(`${name.slice(0, colon)}/${name.slice(colon + 1)}`, image.top);
    for (const document of image.documents) this.#documents.set(document.digest, document);
    for (const blob of image.blobs) this.#blobs.set(blob.digest, blob);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(logged(request));
    const exchange = this.#exchange(request, response);
    for (const handle of this.#handlers) if (handle(exchange)) return;
    const { blob, kind } = exchange;
    if (kind === "ping") send(response, 200, "{}");
    else if (blob !== undefined) sendBlob(request, response, blob);
    else if (kind === "manifest") sendError(response, 404, "MANIFEST_UNKNOWN", "manifest unknown");
    else if (kind === "blob") sendError(response, 404, "BLOB_UNKNOWN", "blob unknown to registry");
    else send(response, 404, "404 page not found");
  }

  #exchange(request: IncomingMessage, response: ServerResponse): Exchange {
    const url = new URL(request.url ?? "/", `http://${this.host}`);
    const match = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname);
    const [, repository = "", area, name = ""] = match ?? [];
    const ping = url.pathname === "/v2/" ? "ping" : "other";
    const kind =
      area === "manifests"
        ? "manifest"
        : area === "blobs"
          ? "blob"
          : url.pathname === "/token"
            ? "token"
            : ping;
    const blob =
      kind === "manifest"
        ? (this.#documents.get(name) ?? this.#documents.get(`${repository}/${name}`))
        : this.#blobs.get(name);
    const count = (this.#counts.get(url.pathname) ?? 0) + 1;
    this.#counts.set(url.pathname, count);
    const isLayer = kind === "blob" && (blob?.mediaType.includes(".layer.") ?? false);
    const cutAt = this.#cutAt ?? Math.floor((blob?.bytes.length ?? 0) / 2);
    const common = { request, response, url, kind, repository, blob, isLayer } as const;
    return { ...common, count, cutAt, registry: this };
  }
}

function logged(request: IncomingMessage): LoggedRequest {
  const { authorization, range } = request.headers;
  return { path: request.url ?? "", authorization, range };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
