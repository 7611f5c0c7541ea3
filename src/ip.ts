/** IP addresses as text. Pure. node:net knows them as well, and costs a start 1.5 ms to load. */

const OCTET = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);

/** Four decimal octets. */
export function isIPv4(text: string): boolean {
  return IPV4.test(text);
}

/** RFC 4291's text forms, as the URL standard's parser reads them; no zone. */
export function isIPv6(text: string): boolean {
  return /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) && URL.canParse(`http://[${text}]/`);
}

/** The 32 bits of an IPv4 address, the first octet highest. */
export function ipv4Number(address: string): number {
  return address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

/** The IPv4 address of 32 bits. */
export function ipv4Text(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

/** The 16 bytes of an IPv6 address. */
export function ipv6Bytes(address: string): Uint8Array {
  // The URL standard writes it in lower case, without an embedded IPv4 address.
  const text = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = "", tail] = text.split("::");
  const groupsOf = (part: string) => (part === "" ? [] : part.split(":"));
  const [before, after] = [groupsOf(head), groupsOf(tail ?? "")];
  const zeros = Array<string>(8 - before.length - after.length).fill("0");
  const groups = [...before, ...(tail === undefined ? [] : zeros), ...after];
  return Uint8Array.from(
    groups.flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 255];
    }),
  );
}

/** Either of them. */
export function isIPAddress(text: string): boolean {
  return isIPv4(text) || isIPv6(text);
}
