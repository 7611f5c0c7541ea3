/**
 * The registry client: references to documents, descriptors to blobs. Nothing leaves it before its
 * digest has been checked, but for the chunks of a blob, whose stream fails at its end instead.
 *
 * Follows distribution-spec 1.1, "Pull". It knows no store and holds no credentials.
 */

import { configBytesMax } from "../image/config.ts";
import type { Descriptor } from "../image/descriptor.ts";
import { type Digest, digestMatches, digestOf, isDigest } from "../image/digest.ts";
import { documentBytesMax } from "../image/manifest.ts";
import {
  acceptedDocuments,
  isIndexType,
  isManifestType,
  normalizeMediaType,
} from "../image/media-type.ts";
import { formatReference, type Reference, referenceTarget } from "../image/reference.ts";
import { streamBlob } from "./blob.ts";
import { readBounded } from "./body.ts";
import { endpointOf } from "./endpoint.ts";
import { isPassing } from "./network.ts";
import { networkError, RegistryError } from "./registry-error.ts";
import { attemptsMax, backoffMs, type Clock, systemClock } from "./retry.ts";
import { Session, type SessionRequest } from "./session.ts";
import { AnonymousAuthenticator } from "./token.ts";
import { Transport } from "./transport.ts";
import { Uploader } from "./upload.ts";

export interface RegistryOptions {
  /** False: certificates are not checked and plain HTTP is allowed, with a notice. Default true. */
  readonly tlsVerify?: boolean;
  /** Takes lines the user should see: unverified TLS, a long wait. Default: nobody does. */
  readonly notice?: (line: string) => void;
  readonly userAgent?: string;
  readonly fetch?: typeof globalThis.fetch;
  readonly clock?: Clock;
  /** How long a server may take to begin its answer. */
  readonly headerTimeoutMs?: number;
  /** How long a body may make no progress before its connection is given up. */
  readonly stallTimeoutMs?: number;
}

/** A manifest, index or config exactly as received, its digest checked. */
export interface FetchedDocument {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
}

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface Registry {
  /** The index or manifest `reference` means now; its digest is checked where it has one. */
  resolve(reference: Reference, options?: FetchOptions): Promise<FetchedDocument>;
  /** A manifest, index or config that `descriptor` names, in `reference`'s repository. */
  fetchDocument(
    reference: Reference,
    descriptor: Descriptor,
    options?: FetchOptions,
  ): Promise<FetchedDocument>;
  /** A blob's bytes; the stream throws at its end if size or digest are wrong. */
  fetchBlob(
    reference: Reference,
    descriptor: Descriptor,
    options?: FetchOptions,
  ): AsyncGenerator<Uint8Array, void, undefined>;
}

/** A registry that takes images, too. */
export interface WritableRegistry extends Registry {
  /** The repository that `reference` is in, to be pushed to. */
  uploader(reference: Reference, signal: AbortSignal): Uploader;
}

/** A client for any number of registries; connections and tokens live as long as it does. */
export function openRegistry(options: RegistryOptions = {}): WritableRegistry {
  return new Client(options);
}

class Client implements WritableRegistry {
  readonly #tlsVerify: boolean;
  readonly #notice: (line: string) => void;
  readonly #clock: Clock;
  readonly #limit: { readonly stallTimeoutMs: number };
  readonly #transport: Transport;
  readonly #sessions = new Map<string, Session>();

  constructor(options: RegistryOptions) {
    this.#tlsVerify = options.tlsVerify ?? true;
    this.#notice = options.notice ?? (() => undefined);
    this.#clock = options.clock ?? systemClock;
    this.#limit = { stallTimeoutMs: options.stallTimeoutMs ?? 30_000 };
    this.#transport = new Transport({
      fetch: options.fetch ?? globalThis.fetch,
      clock: this.#clock,
      tlsVerify: this.#tlsVerify,
      userAgent: options.userAgent ?? "hb",
      headerTimeoutMs: options.headerTimeoutMs ?? 30_000,
      notice: this.#notice,
    });
  }

  async resolve(reference: Reference, options: FetchOptions = {}): Promise<FetchedDocument> {
    const doing = `Cannot get manifest ${formatReference(reference)}`;
    const { bytes, headers } = await this.#fetchWhole(reference, {
      doing,
      path: `manifests/${referenceTarget(reference)}`,
      accept: acceptedDocuments.join(", "),
      bytesMax: documentBytesMax,
      isAddressedByDigest: reference.digest !== undefined,
      signal: options.signal,
    });
    const mediaType = normalizeMediaType(headers.get("content-type"));
    if (mediaType === "text/html") {
      throw new RegistryError(`${doing}: ${reference.registry} answers with a web page`, {
        hint: "check the registry's name; a proxy or a log-in page may stand in between",
      });
    }
    const digest = reference.digest ?? headerDigest(headers) ?? digestOf(bytes);
    checkDigest(doing, digest, bytes);
    return { bytes, mediaType, digest };
  }

  async fetchDocument(
    reference: Reference,
    descriptor: Descriptor,
    options: FetchOptions = {},
  ): Promise<FetchedDocument> {
    const { digest, mediaType, size } = descriptor;
    const isManifest = isManifestType(mediaType) || isIndexType(mediaType);
    const doing = describe(isManifest ? "manifest" : "config", reference, digest);
    const bytesMax = isManifest ? documentBytesMax : configBytesMax;
    if (size > bytesMax) {
      throw new RegistryError(`${doing}: it has ${size} bytes, at most ${bytesMax} are taken`, {
        code: "SIZE_INVALID",
      });
    }
    const { bytes } = await this.#fetchWhole(reference, {
      doing,
      path: `${isManifest ? "manifests" : "blobs"}/${digest}`,
      accept: isManifest ? acceptedDocuments.join(", ") : "*/*",
      bytesMax,
      isAddressedByDigest: true,
      signal: options.signal,
    });
    if (bytes.length !== size) {
      throw new RegistryError(`${doing}: it has ${bytes.length} bytes instead of ${size}`, {
        code: "SIZE_INVALID",
      });
    }
    checkDigest(doing, digest, bytes);
    return { bytes, mediaType, digest };
  }

  fetchBlob(
    reference: Reference,
    descriptor: Descriptor,
    options: FetchOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { signal } = options;
    const doing = describe("blob", reference, descriptor.digest);
    const session = this.#session(reference.registry);
    const open = (start: number): Promise<Response> =>
      session.get({
        doing,
        repository: reference.repository,
        path: `blobs/${descriptor.digest}`,
        headers: start === 0 ? {} : { range: `bytes=${start}-` },
        accepts: [206, 416],
        isAddressedByDigest: true,
        signal,
      });
    const host = reference.registry;
    const request = {
      descriptor,
      doing,
      host,
      open,
      clock: this.#clock,
      limit: this.#limit,
      signal,
    };
    return streamBlob(request);
  }

  uploader({ registry, repository }: Reference, signal: AbortSignal): Uploader {
    const name = `${registry}/${repository}`;
    const session = this.#session(registry);
    return new Uploader({ session, name, repository, clock: this.#clock, signal });
  }

  /** A small body as a whole; one that breaks off is asked for again. */
  async #fetchWhole(reference: Reference, want: WholeRequest): Promise<Whole> {
    const session = this.#session(reference.registry);
    const request: SessionRequest = {
      doing: want.doing,
      repository: reference.repository,
      path: want.path,
      headers: { accept: want.accept },
      isAddressedByDigest: want.isAddressedByDigest,
      signal: want.signal,
    };
    for (let attempt = 1; ; attempt++) {
      const response = await session.get(request);
      try {
        const bytes = await readBounded(response, want.bytesMax, this.#limit);
        if (bytes !== undefined) return { bytes, headers: response.headers };
      } catch (error) {
        if (want.signal?.aborted) throw want.signal.reason;
        if (!isPassing(error)) throw error;
        if (attempt >= attemptsMax) throw networkError(want.doing, reference.registry, error);
        await this.#clock.sleep(backoffMs(attempt + 1, this.#clock.random), want.signal);
        continue;
      }
      throw new RegistryError(`${want.doing}: it is larger than ${want.bytesMax} bytes`, {
        code: "SIZE_INVALID",
      });
    }
  }

  #session(registry: string): Session {
    const known = this.#sessions.get(registry);
    if (known !== undefined) return known;
    const session = new Session({
      endpoint: endpointOf(registry, this.#tlsVerify),
      transport: this.#transport,
      authenticator: new AnonymousAuthenticator(this.#transport, this.#clock, this.#limit),
      limit: this.#limit,
      tlsVerify: this.#tlsVerify,
      notice: this.#notice,
    });
    this.#sessions.set(registry, session);
    return session;
  }
}

interface WholeRequest {
  readonly doing: string;
  readonly path: string;
  readonly accept: string;
  readonly bytesMax: number;
  readonly isAddressedByDigest: boolean;
  readonly signal: AbortSignal | undefined;
}

interface Whole {
  readonly bytes: Uint8Array;
  readonly headers: Headers;
}

/** The registry's own word for what it sent; absent or unreadable is no matter, wrong is. */
function headerDigest(headers: Headers): Digest | undefined {
  const text = headers.get("docker-content-digest") ?? "";
  return isDigest(text) ? text : undefined;
}

function checkDigest(doing: string, digest: Digest, bytes: Uint8Array): void {
  if (digestMatches(digest, bytes)) return;
  throw new RegistryError(`${doing}: its content does not match its digest`, {
    code: "DIGEST_INVALID",
    hint: "the registry, or something on the way, sent other bytes",
  });
}

/** As `Cannot get blob sha256:… of docker.io/library/alpine`. */
function describe(what: string, { registry, repository }: Reference, digest: Digest): string {
  return `Cannot get ${what} ${digest} of ${registry}/${repository}`;
}
