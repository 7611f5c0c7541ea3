/** What proves to a registry who is asking, and who knows of it. Types only, and what is secret. */

/** A way to log in. `origin` says where it was found, for messages; the rest never is in one. */
export type Credential = (
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  /** An OAuth 2 refresh token: docker's `identitytoken`. */
  | { readonly kind: "identity"; readonly token: string; readonly username?: string }
  /** A token for the registry itself: docker's `registrytoken`. */
  | { readonly kind: "bearer"; readonly token: string }
) & { readonly origin: string };

/** The credential for a repository, or for the registry as a whole; undefined to be anonymous. */
export type FindCredential = (
  registry: string,
  repository: string | undefined,
) => Promise<Credential | undefined>;

/** An Authorization header's value by RFC 7617, in UTF-8. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** Shorter ones would blacken whole messages, and are no secrets. */
const secretLengthMin = 4;

/** Secrets that have been used: servers like to repeat what they were sent. */
export class Secrets {
  readonly #known = new Set<string>();

  add(credential: Credential): void {
    if (credential.kind === "basic") {
      const { username, password } = credential;
      this.addText(password);
      this.addText(basicAuthorization(username, password).slice("Basic ".length));
    } else this.addText(credential.token);
  }

  addText(text: string): void {
    if (text.length >= secretLengthMin) this.#known.add(text);
  }

  /** `text` with every known secret, also as it is in a URL, replaced by stars. */
  hide(text: string): string {
    let hidden = text;
    for (const secret of this.#known) {
      hidden = hidden.replaceAll(secret, "***").replaceAll(encodeURIComponent(secret), "***");
    }
    return hidden;
  }
}
