/** Listings of tags, honest and not. */

import { describe, expect, test } from "bun:test";
import { nextQuery, readTags } from "./tags.ts";

/** All tags of pages that name each other by `link`. */
async function read(pages: Readonly<Record<string, { body: string; link?: string }>>) {
  const tags: string[] = [];
  const fetchPage = async (query: string) => {
    const { body, link } = pages[query] ?? { body: "{}" };
    const headers = new Headers(link === undefined ? {} : { link });
    return { bytes: new TextEncoder().encode(body), headers };
  };
  for await (const tag of readTags("Cannot list", fetchPage)) tags.push(tag);
  return tags;
}

describe("readTags()", () => {
  test("follows the pages and keeps their order", async () => {
    const pages = {
      "n=1000": { body: '{"tags":["b","a"]}', link: '</v2/x/tags/list?last=a&n=2>; rel="next"' },
      "last=a&n=2": { body: '{"tags":["c"]}' },
    };
    expect(await read(pages)).toEqual(["b", "a", "c"]);
  });

  test("takes null for none, and leaves out what is no tag", async () => {
    expect(await read({ "n=1000": { body: '{"tags":null}' } })).toEqual([]);
    const body = JSON.stringify({ tags: ["ok", "\x1b[2J", 7, "a/b", ""] });
    expect(await read({ "n=1000": { body } })).toEqual(["ok"]);
  });

  test("ends where a page leads back to itself", async () => {
    const pages = { "n=1000": { body: "{}", link: "<?n=1000>; rel=next" } };
    await expect(read(pages)).rejects.toThrow("list of tags does not end");
  });

  test.each([
    ['<https://evil.test/v2/x/tags/list?last=a>; rel="next"', "last=a"],
    ['<?p=1>; rel="prev", <?p=3>; rel="next"', "p=3"],
    ['<?p=1>; rel="prev"', undefined],
    ["</v2/x/tags/list>; rel=next", undefined],
    [null, undefined],
  ])("of %j takes the query alone", (link, query) => {
    expect(nextQuery(link)).toBe(query);
  });
});
