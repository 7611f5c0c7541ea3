/**
 * The registry client: references to documents, descriptors to blobs. Nothing leaves it before its
 * digest has been checked, but for the chunks of a blob, whose stream fails at its end instead.
 *
 * Follows distribution-spec 1.1, "Pull". It knows no store, and credentials only by
 * asking for them.
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
import { Authenticator } from "./authenticator.ts";
import { streamBlob } from "./blob.ts";
import { readBounded } from "./body.ts";
import type { FindCredential } from "./credential.ts";
import { endpointOf } from "./endpoint.ts";
import { type Location, type RegistryRules, shortNameHint } from "./mirrors.ts";
import { isPassing } from "./network.ts";
import { getAt, type Place, Places } from "./places.ts";
import { proxyFor } from "./proxy.ts";
import { readRegistryRules } from "./registries-conf.ts";
import { networkError, RegistryError } from "./registry-error.ts";
import { attemptsMax, backoffMs, type Clock, systemClock } from "./retry.ts";
import { type LoggedIn, Session } from "./session.ts";
import { readTags, tagPageBytesMax } from "./tags.ts";
import { Transport } from "./transport.ts";
import { TrustStore } from "./trust.ts";
import { Uploader } from "./upload.ts";

export interface RegistryOptions {
  /** False: certificates are not checked and plain HTTP is allowed, with a notice. Default true. */
  readonly tlsVerify?: boolean;
  /** Who asks, where a registry wants to know. Default: nobody in particular. */
  readonly credentials?: FindCredential;
  /** A file of CAs to trust besides the system's. */
  readonly cacert?: string | undefined;
  /** The process's environment. Default: its own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where /etc is. Default: `/`. */
  readonly root?: string;
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
  /**
   * Called when what a blob brought was wrong. True if it may have come from a mirror: no mirror of
   * `reference` is asked again, so that it is worth another attempt.
   */
  distrustMirrors?(reference: Reference, why: Error): boolean;
  /** A blob's bytes; the stream throws at its end if size or digest are wrong. */
  fetchBlob(
    reference: Reference,
    descriptor: Descriptor,
    options?: FetchOptions,
  ): AsyncGenerator<Uint8Array, void, undefined>;
}

/** A mirror whose connection for one blob broke this often is given up. */
const mirrorOpensMax = 2;

/** A registry that can be asked for more than images. */
export interface BrowsableRegistry extends Registry {
  /** The tags of `reference`'s repository, in the registry's order. */
  listTags(reference: Reference, options?: FetchOptions): AsyncGenerator<string, void, undefined>;
}

/** A registry that takes images, too. */
export interface WritableRegistry extends BrowsableRegistry {
  /** The repository that `reference` is in, to be pushed to. */
  uploader(reference: Reference, signal: AbortSignal): Uploader;
}

/** A client for any number of registries; connections and tokens live as long as it does. */
export function openRegistry(options: RegistryOptions = {}): WritableRegistry {
  return new Client(options);
}

/** Shows `registry` its credentials. Throws when it refuses them. */
export function logIn(
  registry: string,
  options: RegistryOptions,
  signal: AbortSignal,
): Promise<LoggedIn> {
  return new Client(options).logIn(registry, signal);
}

class Client implements WritableRegistry {
  readonly #notice: (line: string) => void;
  readonly #credentials: FindCredential;
  readonly #clock: Clock;
  readonly #limit: { readonly stallTimeoutMs: number };
  readonly #options: RegistryOptions;
  readonly #trust: TrustStore;
  readonly #places: Places;
  #rulesRead: RegistryRules | undefined;

  constructor(options: RegistryOptions) {
    this.#notice = options.notice ?? (() => undefined);
    this.#credentials = options.credentials ?? (async () => undefined);
    this.#clock = options.clock ?? systemClock;
    this.#limit = { stallTimeoutMs: options.stallTimeoutMs ?? 30_000 };
    this.#options = options;
    this.#trust = new TrustStore({ env: this.#env, cacert: options.cacert, root: options.root });
    this.#places = new Places({
      rules: () => this.#rules(),
      open: (location) => this.#open(location),
      notice: this.#notice,
    });
  }

  logIn(registry: string, signal: AbortSignal): Promise<LoggedIn> {
    const session = this.#open({ registry, insecure: false });
    return session.logIn(`Cannot log in to ${registry}`, signal);
  }

  get #env(): Readonly<Record<string, string | undefined>> {
    return this.#options.env ?? process.env;
  }

  async resolve(reference: Reference, options: FetchOptions = {}): Promise<FetchedDocument> {
    const doing = `Cannot get manifest ${formatReference(reference)}`;
    const want: WholeRequest = {
      doing,
      path: `manifests/${referenceTarget(reference)}`,
      accept: acceptedDocuments.join(", "),
      bytesMax: documentBytesMax,
      isAddressedByDigest: reference.digest !== undefined,
      signal: options.signal,
    };
    try {
      return await this.#places.first(reference, async (place) => {
        const { bytes, headers } = await this.#fetchWhole(place, want);
        const mediaType = normalizeMediaType(headers.get("content-type"));
        if (mediaType === "text/html") throw webPage(doing, place.location.registry);
        const digest = reference.digest ?? headerDigest(headers) ?? digestOf(bytes);
        checkDigest(doing, digest, bytes);
        return { bytes, mediaType, digest };
      });
    } catch (error) {
      throw this.#withShortNameHint(reference, error);
    }
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
    const want: WholeRequest = {
      doing,
      path: `${isManifest ? "manifests" : "blobs"}/${digest}`,
      accept: isManifest ? acceptedDocuments.join(", ") : "*/*",
      bytesMax,
      isAddressedByDigest: true,
      signal: options.signal,
    };
    return await this.#places.first(reference, async (place) => {
      const { bytes } = await this.#fetchWhole(place, want);
      if (bytes.length !== size) {
        throw new RegistryError(`${doing}: it has ${bytes.length} bytes instead of ${size}`, {
          code: "SIZE_INVALID",
        });
      }
      checkDigest(doing, digest, bytes);
      return { bytes, mediaType, digest };
    });
  }

  fetchBlob(
    reference: Reference,
    descriptor: Descriptor,
    options: FetchOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { signal } = options;
    const doing = describe("blob", reference, descriptor.digest);
    const asked = new Map<Place, number>();
    const open = (start: number): Promise<Response> =>
      this.#places.first(reference, async (place) => {
        const times = (asked.get(place) ?? 0) + 1;
        asked.set(place, times);
        if (place.location.isMirror && times > mirrorOpensMax) {
          throw new RegistryError(`${doing}: the connection keeps breaking`, {});
        }
        return await getAt(place, {
          doing,
          path: `blobs/${descriptor.digest}`,
          headers: start === 0 ? {} : { range: `bytes=${start}-` },
          accepts: [206, 416],
          isAddressedByDigest: true,
          signal,
        });
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

  distrustMirrors(reference: Reference, why: Error): boolean {
    return this.#places.distrustMirrors(reference, why);
  }

  async *listTags(
    reference: Reference,
    { signal }: FetchOptions = {},
  ): AsyncGenerator<string, void, undefined> {
    const doing = `Cannot list the tags of ${reference.registry}/${reference.repository}`;
    const place = this.#places.origin(reference);
    if (place === undefined) return;
    const common = { doing, accept: "application/json", isAddressedByDigest: false, signal };
    yield* readTags(doing, (query) =>
      this.#fetchWhole(place, {
        ...common,
        path: `tags/list?${query}`,
        bytesMax: tagPageBytesMax,
      }),
    );
  }

  uploader({ registry, repository }: Reference, signal: AbortSignal): Uploader {
    const name = `${registry}/${repository}`;
    // Mirrors are asked for images and given none.
    const session = this.#open({ registry, insecure: false });
    return new Uploader({ session, name, repository, clock: this.#clock, signal });
  }

  /** A small body as a whole; one that breaks off is asked for again. */
  async #fetchWhole(place: Place, want: WholeRequest): Promise<Whole> {
    const request = {
      doing: want.doing,
      path: want.path,
      headers: { accept: want.accept },
      isAddressedByDigest: want.isAddressedByDigest,
      signal: want.signal,
    };
    for (let attempt = 1; ; attempt++) {
      const response = await getAt(place, request);
      try {
        const bytes = await readBounded(response, want.bytesMax, this.#limit);
        if (bytes !== undefined) return { bytes, headers: response.headers };
      } catch (error) {
        if (want.signal?.aborted) throw want.signal.reason;
        if (!isPassing(error)) throw error;
        if (attempt >= attemptsMax) throw networkError(want.doing, place.location.registry, error);
        await this.#clock.sleep(backoffMs(attempt + 1, this.#clock.random), want.signal);
        continue;
      }
      throw new RegistryError(`${want.doing}: it is larger than ${want.bytesMax} bytes`, {
        code: "SIZE_INVALID",
      });
    }
  }

  #rules(): RegistryRules {
    this.#rulesRead ??= readRegistryRules({ env: this.#env, root: this.#options.root });
    return this.#rulesRead;
  }

  /** Docker Hub's refusal of a name that podman's users write for another registry's. */
  #withShortNameHint(reference: Reference, error: unknown): unknown {
    if (!(error instanceof RegistryError) || ![401, 403, 404].includes(error.status)) return error;
    const hint = shortNameHint(reference, this.#rules());
    if (hint === undefined) return error;
    const { status, code, detail, cause } = error;
    return new RegistryError(error.message, { status, code, detail, cause, hint });
  }

  #open({ registry, insecure }: Pick<Location, "registry" | "insecure">): Session {
    const options = this.#options;
    const tlsVerify = !insecure && (options.tlsVerify ?? true);
    const endpoint = endpointOf(registry, tlsVerify);
    // What talks to the registry, and to whoever that sends us to.
    const transport = new Transport({
      fetch: options.fetch ?? globalThis.fetch,
      clock: this.#clock,
      tlsVerify,
      tlsFor: (host) => this.#trust.tlsFor(host, endpoint.host),
      proxyFor: (url) => proxyFor(url, this.#env),
      userAgent: options.userAgent ?? "hb",
      headerTimeoutMs: options.headerTimeoutMs ?? 30_000,
      notice: this.#notice,
    });
    return new Session({
      endpoint,
      transport,
      // A mirror is a registry of its own: what is the origin's is not shown to it.
      authenticator: new Authenticator({
        registry,
        find: this.#credentials,
        transport,
        clock: this.#clock,
        limit: this.#limit,
        allowsPlainHttp: !tlsVerify,
      }),
      limit: this.#limit,
      tlsVerify,
      notice: this.#notice,
    });
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

function webPage(doing: string, registry: string): RegistryError {
  return new RegistryError(`${doing}: ${registry} answers with a web page`, {
    hint: "check the registry's name; a proxy or a log-in page may stand in between",
  });
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
