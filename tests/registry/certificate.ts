/** A self-signed certificate nobody trusts, made on the spot: X.509 v1 (RFC 5280), DER by hand. */

import { generateKeyPairSync, sign } from "node:crypto";

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** For one host name, valid from 2020 to 2049. */
export function makeCertificate(commonName: string): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(Buffer.from("06082a8648ce3d040302", "hex")); // ecdsa-with-SHA256
  const nameOid = Buffer.from("0603550403", "hex"); // commonName
  const name = sequence(element(0x31, sequence(nameOid, element(0x0c, Buffer.from(commonName)))));
  const validity = sequence(utcTime("200101000000Z"), utcTime("491231235959Z"));
  const serial = element(0x02, Buffer.of(1));
  const key = publicKey.export({ type: "spki", format: "der" });
  const body = sequence(serial, algorithm, name, validity, name, key);
  const signature = element(0x03, Buffer.of(0), sign("sha256", body, privateKey));
  const der = sequence(body, algorithm, signature);
  const base64 = der.toString("base64").replace(/.{64}/g, "$&\n");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
  };
}

function sequence(...content: readonly Buffer[]): Buffer {
  return element(0x30, ...content);
}

function utcTime(text: string): Buffer {
  return element(0x17, Buffer.from(text));
}

/** Tag, length in the shortest form, content. */
function element(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const size = body.length;
  const long = size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  const length = Buffer.from(size < 128 ? [size] : long);
  return Buffer.concat([Buffer.of(tag), length, body]);
}
