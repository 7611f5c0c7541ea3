/** A certificate authority of the tests' own, made by openssl(1). */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A certificate and its key, as files. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** A CA with its files in one folder. */
export class Authority {
  readonly #folder: string;
  readonly #ca: KeyPair;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.#ca = { cert: join(folder, "ca.crt"), key: join(folder, "ca.key") };
    const files = ["-keyout", this.#ca.key, "-out", this.#ca.cert];
    openssl(["req", "-x509", ...newKey, ...files, "-subj", "/CN=Test CA", "-days", "2"]);
  }

  /** The CA's own certificate. */
  get cert(): string {
    return this.#ca.cert;
  }

  /** For a server of the alternative `names` (`DNS:…`, `IP:…`), or a client. */
  issue(name: string, names: readonly string[] = ["DNS:client"]): KeyPair {
    const [cert, key, request, extensions] = ["cert", "key", "csr", "ext"].map((suffix) =>
      join(this.#folder, `${name}.${suffix}`),
    ) as [string, string, string, string];
    writeFileSync(extensions, `subjectAltName=${names.join(",")}\n`);
    openssl(["req", ...newKey, "-keyout", key, "-out", request, "-subj", `/CN=${name}`]);
    const signer = ["-CA", this.#ca.cert, "-CAkey", this.#ca.key, "-CAcreateserial"];
    const from = ["-in", request, "-out", cert, "-extfile", extensions];
    openssl(["x509", "-req", ...from, ...signer, "-days", "2"]);
    return { cert, key };
  }
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

function openssl(args: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["openssl", ...args]);
  if (exitCode !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
}
