/**
 * The places that may have an image, tried in order. A mirror that fails is left alone for the rest
 * of this process, and the user is told once; one that merely lacks the image is no failure.
 */

import { HbError } from "../errors.ts";
import { formatReference, type Reference } from "../image/reference.ts";
import { endpointsFor, type Location, type RegistryRules } from "./mirrors.ts";
import { RegistryError } from "./registry-error.ts";
import type { Session, SessionRequest } from "./session.ts";

/** A mirror is not worth more: the next place has the same. */
const mirrorAttempts = 2;

/** One location with what talks to it. */
export interface Place {
  readonly location: Location;
  readonly session: Session;
}

export interface PlacesOptions {
  readonly rules: () => RegistryRules;
  readonly open: (location: Location) => Session;
  readonly notice: (line: string) => void;
}

/** Every place of one client. */
export class Places {
  readonly #options: PlacesOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #known = new Map<string, readonly Place[]>();
  readonly #failed = new Set<Session>();

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /** What the first place gives that does not fail; the origin's failure is the caller's. */
  async first<T>(reference: Reference, use: (place: Place) => Promise<T>): Promise<T> {
    const places = this.#of(reference);
    for (const [at, place] of places.entries()) {
      const isLast = at === places.length - 1;
      if (!isLast && this.#failed.has(place.session)) continue;
      try {
        return await use(place);
      } catch (error) {
        // What is no HbError is an abort, or a defect.
        if (isLast || !(error instanceof HbError)) throw error;
        if (!(error instanceof RegistryError && error.status === 404)) this.#fail(place, error);
      }
    }
    // proven: endpointsFor() ends with the origin, which returns or throws.
    throw new HbError(`No place for ${formatReference(reference)}`);
  }

  /** The place that is no mirror, for what mirrors do not know. */
  origin(reference: Reference): Place | undefined {
    return this.#of(reference).at(-1);
  }

  /** Leaves out the mirrors that are still asked for `reference`; false if there are none. */
  distrustMirrors(reference: Reference, why: Error): boolean {
    const mirrors = this.#of(reference).filter(({ location, session }) => {
      return location.isMirror && !this.#failed.has(session);
    });
    for (const mirror of mirrors) this.#fail(mirror, why);
    return mirrors.length > 0;
  }

  #fail({ location, session }: Place, error: Error): void {
    if (this.#failed.has(session)) return;
    this.#failed.add(session);
    const why = error.message.replace(/^Cannot get (manifest|config|blob) \S+( of \S+)?: /, "");
    this.#options.notice(`mirror ${location.registry} failed (${why}): going on without it`);
  }

  #of(reference: Reference): readonly Place[] {
    const name = formatReference(reference);
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const places = endpointsFor(reference, this.#options.rules()).map((location) => {
      return { location, session: this.#session(location) };
    });
    this.#known.set(name, places);
    return places;
  }

  #session(location: Location): Session {
    const key = `${location.insecure} ${location.isMirror} ${location.registry}`;
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    const session = this.#options.open(location);
    this.#sessions.set(key, session);
    return session;
  }
}

/** GETs one thing of an image at `place`. */
export function getAt(
  { location, session }: Place,
  request: Omit<SessionRequest, "repository" | "attempts">,
): Promise<Response> {
  const { repository, isMirror } = location;
  const attempts = isMirror ? { attempts: mirrorAttempts } : {};
  return session.get({ ...request, repository, ...attempts });
}
