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

/** Either of them. */
export function isIPAddress(text: string): boolean {
  return isIPv4(text) || isIPv6(text);
}
