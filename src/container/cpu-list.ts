/** Lists of CPUs and memory nodes as the kernel writes them, `0-2,7` (cpuset(7)). Pure. */

/** No machine has more; a larger number would only take memory. */
const NUMBER_MAX = 65_535;

/** The numbers in `text`; undefined where it is no such list. */
export function parseCpuList(text: string): readonly number[] | undefined {
  const numbers = new Set<number>();
  for (const part of text.trim().split(",")) {
    const [, first = "", last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === "" || from > to || to > NUMBER_MAX) return undefined;
    for (let number = from; number <= to; number++) numbers.add(number);
  }
  return [...numbers];
}
