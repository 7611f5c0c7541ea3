/** What fetch throws, sorted: the codes of its errors, and which of them pass by themselves. */

/** The system's or TLS's code for a failed fetch; "" when there is none. */
export function networkCode(error: unknown): string {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    if (e.name === "TimeoutError") return "ETIMEDOUT";
    const code: unknown = Reflect.get(e, "code");
    if (typeof code === "string") return code;
  }
  return "";
}

const passing = new Set(["ECONNRESET", "ETIMEDOUT", "EPIPE", "ECONNABORTED", "EAI_AGAIN"]);

/** Whether trying again may help. A refused connection or an unknown name will stay so. */
export function isPassing(error: unknown): boolean {
  return passing.has(networkCode(error));
}

/** Whether TLS failed because the certificate is not trusted, by OpenSSL's names for it. */
export function isTlsTrustFailure(code: string, message: string): boolean {
  return (
    /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|HOSTNAME_MISMATCH/.test(code) ||
    /certificate/i.test(message)
  );
}
