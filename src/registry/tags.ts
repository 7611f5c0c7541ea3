/** The tags of a repository: distribution-spec 1.1, "Listing Tags". Page by page. */

import { expectObject, parseJson } from "../image/json.ts";
import { isTag } from "../image/reference.ts";
import { RegistryError } from "./registry-error.ts";

/** As many as are asked for at once; a registry may send fewer. */
export const tagsPerPage = 1000;
/** One page's tags take 128 bytes each at most; some registries ignore `n`. */
export const tagPageBytesMax = 16 * 1024 * 1024;
/** Longest listing followed. */
const pagesMax = 1000;

export interface TagPage {
  readonly bytes: Uint8Array;
  readonly headers: Headers;
}

/** Every tag, as the registry orders them; `fetchPage` takes the query of a page. */
export async function* readTags(
  doing: string,
  fetchPage: (query: string) => Promise<TagPage>,
): AsyncGenerator<string, void, undefined> {
  const asked = new Set<string>();
  for (let query: string | undefined = `n=${tagsPerPage}`; query !== undefined; ) {
    if (asked.has(query) || asked.size >= pagesMax) {
      throw new RegistryError(`${doing}: the registry's list of tags does not end`, {});
    }
    asked.add(query);
    const { bytes, headers } = await fetchPage(query);
    yield* tagsIn(doing, bytes);
    query = nextQuery(headers.get("link"));
  }
}

function tagsIn(doing: string, bytes: Uint8Array): string[] {
  const { tags } = expectObject(parseJson(bytes, "tags"), "tags");
  // A repository that lost its last tag has `null` in some registries.
  if (tags === null || tags === undefined) return [];
  if (!Array.isArray(tags)) throw new RegistryError(`${doing}: the answer is no list of tags`, {});
  // What is no tag could not be asked for, and might drive the terminal.
  return tags.filter((tag) => typeof tag === "string" && isTag(tag));
}

/**
 * The query of `<…>; rel="next"` (RFC 8288). Only that: where the list is asked for is not up to
 * its last page, whose address may be another host's.
 */
export function nextQuery(link: string | null): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel\s*=\s*"?next\b/i.exec(link ?? "")?.[1];
  if (target === undefined) return undefined;
  const query = URL.parse(target, "https://registry.invalid/")?.search.slice(1) ?? "";
  return query === "" ? undefined : query;
}
