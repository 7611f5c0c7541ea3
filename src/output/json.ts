/** JSON as it is printed. */

/**
 * `value` as JSON without control characters. JSON's own rules leave DEL and those beyond ASCII
 * (ECMA-48's C1) as they are: in what a container or an image says they would reach the terminal.
 */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(/[\x7f-\x9f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
