/**
 * Whom a registry's TLS certificate may come from, and who hb says it is: the system's CA store,
 * `--cacert`, and the certs.d directories of docker and podman (containers-certs.d(5)).
 *
 * Bun brings Mozilla's roots along; they serve only where the machine has no store, because an
 * administrator's decision to distrust a CA must hold here as well.
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { HbError } from "../errors.ts";

/** What fetch takes as `tls`. */
export interface TlsOptions {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: boolean;
}

export interface TrustSources {
  /** SSL_CERT_FILE, SSL_CERT_DIR and HOME count. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--cacert FILE`. */
  readonly cacert?: string | undefined;
  /** Replaces the root of absolute paths; for tests. */
  readonly root?: string | undefined;
}

/** Where distributions keep all CAs in one file (Go's crypto/x509 has the same list). */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Arch, Alpine
  "/etc/pki/tls/certs/ca-bundle.crt", // Fedora, RHEL 6
  "/etc/ssl/ca-bundle.pem", // openSUSE
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7 and later
  "/etc/ssl/cert.pem", // Alpine
];
const certificatePattern = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The trust of one hb process; files are read when a host first needs them. */
export class TrustStore {
  readonly #sources: TrustSources;
  readonly #root: string;
  #common: Anchors | undefined;
  readonly #hosts = new Map<string, HostTrust>();

  constructor(sources: TrustSources) {
    this.#sources = sources;
    this.#root = sources.root ?? "/";
  }

  /**
   * For a connection to `host[:port]` on behalf of the registry `home`. What `home` leads to (its
   * token service, its object store) may be signed by its CAs, as docker has it; its client
   * certificate goes to itself alone.
   */
  tlsFor(host: string, home: string): TlsOptions {
    const own = this.#hostTrust(host);
    const extra = host === home ? own.ca : [...own.ca, ...this.#hostTrust(home).ca];
    const { system, chosen } = this.#anchors();
    const added = [...chosen, ...extra];
    // Without `ca` fetch trusts its built-in roots; with it, only what is in it.
    const base = system ?? (added.length === 0 ? undefined : rootCertificates);
    const ca = base === undefined ? {} : { ca: [...base, ...added] };
    return { ...ca, ...own.client };
  }

  #anchors(): Anchors {
    this.#common ??= {
      system: this.#systemStore(),
      chosen: this.#sources.cacert === undefined ? [] : readCa(this.#sources.cacert, "--cacert"),
    };
    return this.#common;
  }

  /** The system's CAs; undefined where there are none. */
  #systemStore(): readonly string[] | undefined {
    const { SSL_CERT_FILE: file = "", SSL_CERT_DIR: directories = "" } = this.#sources.env;
    const texts: string[] = [];
    if (file !== "") texts.push(...readCa(file, "SSL_CERT_FILE"));
    else texts.push(...firstPresent(bundles.map((path) => join(this.#root, path))));
    for (const directory of directories.split(":").filter((name) => name !== "")) {
      const names = list(directory);
      if (names === undefined) {
        throw new HbError(`Cannot read SSL_CERT_DIR ${directory}: there is no such directory`, {
          hint: "correct or unset SSL_CERT_DIR",
        });
      }
      for (const name of names) texts.push(...certificatesIn(read(join(directory, name)) ?? ""));
    }
    return texts.length === 0 ? undefined : texts;
  }

  #hostTrust(host: string): HostTrust {
    const known = this.#hosts.get(host);
    if (known !== undefined) return known;
    const trust = this.#readHost(host);
    this.#hosts.set(host, trust);
    return trust;
  }

  /** Of the first directory that is there; two would make it unclear whose CA counts. */
  #readHost(host: string): HostTrust {
    for (const directory of this.#hostDirectories(host)) {
      const names = list(directory);
      if (names !== undefined) return hostTrust(directory, names);
    }
    return { ca: [], client: {} };
  }

  #hostDirectories(host: string): string[] {
    const { HOME: home } = this.#sources.env;
    const parents = [
      ...(home?.startsWith("/") ? [join(home, ".config/containers/certs.d")] : []),
      join(this.#root, "etc/containers/certs.d"),
      join(this.#root, "etc/docker/certs.d"),
    ];
    // A URL has no default port; a directory may spell it out.
    const names = /:\d+$/.test(host) ? [host] : [host, `${host}:443`];
    // Docker Hub is called by the name its images have.
    if (host === "registry-1.docker.io") names.push("docker.io");
    // A redirect may name the host "..".
    const safe = names.filter((name) => !/\/|^\.{0,2}$/.test(name));
    return parents.flatMap((parent) => safe.map((name) => join(parent, name)));
  }
}

interface Anchors {
  readonly system: readonly string[] | undefined;
  readonly chosen: readonly string[];
}

interface HostTrust {
  readonly ca: readonly string[];
  readonly client: { readonly cert?: string; readonly key?: string };
}

/** `*.crt` are CAs; `NAME.cert` with `NAME.key` is hb's own certificate, the first by name. */
function hostTrust(directory: string, names: readonly string[]): HostTrust {
  const ca = names
    .filter((name) => name.endsWith(".crt"))
    .flatMap((name) => readCa(join(directory, name), ""));
  const certificate = names.find((name) => name.endsWith(".cert"));
  if (certificate === undefined) return { ca, client: {} };
  return { ca, client: readClient(join(directory, certificate)) };
}

function readClient(path: string): { readonly cert: string; readonly key: string } {
  const keyPath = path.replace(/\.cert$/, ".key");
  const doing = `Cannot use client certificate ${path}`;
  const cert = readNamed(path, doing);
  const key = readNamed(keyPath, doing);
  try {
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return { cert, key };
  } catch (error) {
    throw new HbError(`${doing}: it or its key is not in PEM form`, { cause: error });
  }
  throw new HbError(`${doing}: ${keyPath} is not its key`);
}

/** The certificates of a file somebody has named; checked, because fetch would not say which. */
function readCa(path: string, option: string): string[] {
  const doing = `Cannot read CA file ${path}${option === "" ? "" : ` (${option})`}`;
  const certificates = certificatesIn(readNamed(path, doing));
  if (certificates.length === 0) {
    throw new HbError(`${doing}: there is no certificate in it`, {
      hint: "it must be in PEM form: -----BEGIN CERTIFICATE-----",
    });
  }
  try {
    for (const text of certificates) new X509Certificate(text);
  } catch (error) {
    throw new HbError(`${doing}: a certificate in it is damaged`, { cause: error });
  }
  return certificates;
}

function certificatesIn(text: string): string[] {
  return [...text.matchAll(certificatePattern)].map(([certificate]) => `${certificate}\n`);
}

/** A bundle as one text: splitting its hundreds of certificates would be for nothing. */
function firstPresent(paths: readonly string[]): string[] {
  for (const path of paths) {
    const text = read(path);
    if (text?.includes("-----BEGIN CERTIFICATE-----")) return [text];
  }
  return [];
}

/** Names in order; undefined if there is no such directory. */
function list(directory: string): string[] | undefined {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return undefined;
    throw new HbError(`Cannot read ${directory}: ${codeOf(error)}`, {
      hint: "it belongs to the certificates of a registry: make it readable",
    });
  }
}

function readNamed(path: string, doing: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = codeOf(error);
    throw new HbError(`${doing}: ${code === "ENOENT" ? `there is no ${path}` : code}`);
  }
}

/** Undefined for what is not there or is no file. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EISDIR", "EACCES"].includes(codeOf(error))) return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  throw error;
}
