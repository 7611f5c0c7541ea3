/**
 * Blobs and manifests into one repository: distribution-spec 1.1, "Push".
 *
 * A blob goes up in one piece. Where that breaks, or the registry wants pieces
 * (OCI-Chunk-Min-Length, a proxy's 413), it goes in chunks, from as far as the registry says it has
 * got.
 */

import type { Descriptor } from "../image/descriptor.ts";
import { isDigest } from "../image/digest.ts";
import { discard } from "./body.ts";
import { isPassing } from "./network.ts";
import { RegistryError } from "./registry-error.ts";
import { attemptsMax, backoffMs, type Clock, isPassingStatus } from "./retry.ts";
import type { Session, SessionRequest } from "./session.ts";

/** What is uploaded: every part of it can be had again. */
export interface Content {
  readonly size: number;
  slice(start: number, end: number): Blob;
}

/** Small enough for the body limits of proxies, large enough for object stores (S3: 5 MiB). */
const chunkBytesMin = 16 << 20;

/** Told how far an upload has got; where it begins anew, that is less than before. */
export type OnPosition = (bytes: number) => void;

/** What a mount or the start of an upload came to. */
type Started =
  | { readonly isMounted: true }
  | { readonly isMounted: false; readonly upload: Upload };

/** An upload under way: where its next request goes. */
interface Upload {
  url: URL;
  readonly chunkBytes: number | undefined;
}

export interface UploaderOptions {
  readonly session: Session;
  /** As in messages: `registry.example/app`. */
  readonly name: string;
  readonly repository: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** One repository to push to. */
export class Uploader {
  readonly #options: UploaderOptions;

  constructor(options: UploaderOptions) {
    this.#options = options;
  }

  /** Whether the repository has the blob. */
  async has({ digest }: Descriptor): Promise<boolean> {
    const response = await this.#send(`Cannot look for blob ${digest}`, {
      method: "HEAD",
      path: `blobs/${digest}`,
      // Some allow no HEAD: they are sent what they may have.
      accepts: [404, 405, 501],
    });
    await discard(response);
    return response.status === 200;
  }

  /** Has the registry take the blob from another of its repositories; false where it does not. */
  async mount({ digest }: Descriptor, from: string): Promise<boolean> {
    const query = `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
    try {
      const started = await this.#start(query, from);
      if (!started.isMounted) await this.#cancel(started.upload);
      return started.isMounted;
    } catch (error) {
      // Some refuse what they will not mount instead of starting an upload, and token services
      // refuse the right to read where it would come from.
      if (isRefusal(error)) return false;
      throw error;
    }
  }

  /** Uploads the blob. */
  async put(
    descriptor: Descriptor,
    content: Content,
    onPosition: OnPosition = () => undefined,
  ): Promise<void> {
    const { clock, signal } = this.#options;
    let isWhole = true;
    for (let attempt = 1; ; attempt++) {
      try {
        // Where only the answer was lost, all of it is there.
        if (attempt > 1 && (await this.has(descriptor))) return;
        const started = await this.#start("");
        if (started.isMounted) return;
        const { upload } = started;
        if (isWhole && upload.chunkBytes === undefined) {
          return await this.#finish(descriptor, upload, content.slice(0, content.size), onPosition);
        }
        return await this.#putChunks(descriptor, upload, content, onPosition);
      } catch (error) {
        signal?.throwIfAborted();
        const status = error instanceof RegistryError ? error.status : 0;
        // 404: the registry has lost the upload. 413: a proxy before it takes smaller pieces.
        const mayHelp = isTransient(error) || status === 404 || (status === 413 && isWhole);
        if (!mayHelp || attempt >= attemptsMax) throw error;
        isWhole = false;
        await clock.sleep(backoffMs(attempt + 1, clock.random), signal);
      }
    }
  }

  /** Puts a manifest under a tag or its digest. */
  async putManifest(target: string, { mediaType, digest }: Descriptor, bytes: Uint8Array) {
    const response = await this.#send(`Cannot put the manifest`, {
      method: "PUT",
      path: `manifests/${target}`,
      headers: { "content-type": mediaType },
      body: new Blob([Uint8Array.from(bytes)]),
      accepts: [201, 202],
    });
    await discard(response);
    const stored = response.headers.get("docker-content-digest") ?? digest;
    if (!isDigest(stored) || stored === digest) return;
    throw new RegistryError(`Cannot push to ${this.#options.name}: it stored another manifest`, {
      code: "DIGEST_INVALID",
      hint: "the registry changes what it is given: tell its operator",
    });
  }

  async #start(query: string, source?: string): Promise<Started> {
    const response = await this.#send("Cannot start an upload", {
      method: "POST",
      ...(source === undefined ? {} : { source }),
      path: `blobs/uploads/${query}`,
      accepts: [201, 202],
      body: new Blob([]),
    });
    await discard(response);
    if (response.status === 201) return { isMounted: true };
    const minimum = Number(response.headers.get("oci-chunk-min-length") ?? 0);
    const chunkBytes = minimum > 0 ? Math.max(minimum, chunkBytesMin) : undefined;
    return { isMounted: false, upload: { url: this.#location(response), chunkBytes } };
  }

  /** Gives up an upload that nobody wanted; a registry that has no word for that forgets it. */
  async #cancel({ url }: Upload): Promise<void> {
    const request = { method: "DELETE", path: "", url, attempts: 1, accepts: [202, 204] } as const;
    try {
      await discard(await this.#send("Cannot cancel an upload", request));
    } catch (error) {
      if (!isRefusal(error) && !isTransient(error)) throw error;
    }
  }

  /** Ends an upload with the last of its bytes. */
  async #finish(
    { digest }: Descriptor,
    upload: Upload,
    rest: Blob,
    onSent?: OnPosition,
  ): Promise<void> {
    const url = new URL(upload.url);
    url.searchParams.set("digest", digest);
    const response = await this.#send(`Cannot upload blob ${digest}`, {
      method: "PUT",
      path: "",
      url,
      headers: { "content-type": "application/octet-stream" },
      body: rest,
      ...(onSent === undefined ? {} : { onSent }),
      attempts: 1,
      accepts: [201, 202, 204],
    });
    await discard(response);
  }

  async #putChunks(
    descriptor: Descriptor,
    upload: Upload,
    content: Content,
    onPosition: OnPosition,
  ): Promise<void> {
    const size = upload.chunkBytes ?? chunkBytesMin;
    let failures = 0;
    for (let start = 0; start < content.size; ) {
      const end = Math.min(content.size, start + size);
      try {
        const chunk = { start, body: content.slice(start, end) };
        await this.#patch(descriptor, upload, chunk, onPosition);
        start = end;
        failures = 0;
      } catch (error) {
        const { clock, signal } = this.#options;
        signal?.throwIfAborted();
        const isOutOfStep = error instanceof RegistryError && error.status === 416;
        if (++failures >= attemptsMax || !(isTransient(error) || isOutOfStep)) throw error;
        await clock.sleep(backoffMs(failures + 1, clock.random), signal);
        start = await this.#position(descriptor, upload, content.size);
      }
    }
    await this.#finish(descriptor, upload, new Blob([]));
  }

  async #patch(
    { digest }: Descriptor,
    upload: Upload,
    { start, body }: { readonly start: number; readonly body: Blob },
    onPosition: OnPosition,
  ): Promise<void> {
    const response = await this.#send(`Cannot upload blob ${digest}`, {
      method: "PATCH",
      path: "",
      url: upload.url,
      headers: {
        "content-type": "application/octet-stream",
        "content-range": `${start}-${start + body.size - 1}`,
      },
      body,
      onSent: (bytes) => onPosition(start + bytes),
      attempts: 1,
      accepts: [202, 204],
    });
    await discard(response);
    upload.url = this.#location(response);
  }

  /** How many bytes the registry has of an upload. */
  async #position({ digest }: Descriptor, upload: Upload, sizeMax: number): Promise<number> {
    const response = await this.#send(`Cannot resume blob ${digest}`, {
      method: "GET",
      path: "",
      url: upload.url,
      accepts: [202, 204],
    });
    await discard(response);
    if (response.headers.has("location")) upload.url = this.#location(response);
    const last = /^(?:bytes=)?0-(\d{1,16})$/.exec(response.headers.get("range") ?? "")?.[1];
    // An upload of nothing has the range 0-0 as well; of one byte nobody has ever lost the rest.
    return last === undefined || last === "0" ? 0 : Math.min(sizeMax, Number(last) + 1);
  }

  #location(response: Response): URL {
    const url = URL.parse(response.headers.get("location") ?? "", response.url);
    const doing = `Cannot push to ${this.#options.name}`;
    if (url === null || !(url.protocol === "https:" || url.protocol === "http:")) {
      throw new RegistryError(`${doing}: it does not say where to`, {
        hint: "the registry does not follow distribution-spec: tell its operator",
      });
    }
    const asked = new URL(response.url);
    if (url.protocol === "https:" || asked.protocol === "http:") return url;
    if (url.host !== asked.host) {
      throw new RegistryError(`${doing}: it leads from HTTPS to plain HTTP at ${url.host}`, {
        hint: "anyone on the way could read the image: tell the registry's operator",
      });
    }
    // A registry behind a proxy that ends TLS does not know what its clients speak.
    url.protocol = "https:";
    return url;
  }

  async #send(
    doing: string,
    request: Omit<SessionRequest, "doing" | "repository" | "isAddressedByDigest" | "actions">,
  ): Promise<Response> {
    const { name, repository, session, signal } = this.#options;
    return await session.get({
      ...request,
      doing: `${doing} to ${name}`,
      repository,
      actions: "pull,push",
      isAddressedByDigest: false,
      signal,
    });
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof RegistryError && error.status >= 400 && error.status < 500;
}

/** Whether another attempt may do. */
function isTransient(error: unknown): boolean {
  return isPassing(error) || (error instanceof RegistryError && isPassingStatus(error.status));
}
