/** Ids of containers. */

/** 64 hexadecimal digits nobody has had before, as docker's. */
export function newContainerId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
}
