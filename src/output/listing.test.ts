import { describe, expect, test } from "bun:test";
import { formatDocuments, formatListing } from "./listing.ts";

const rows = [
  { ID: "0123", Names: "web", Size: "1kB", Label: (name: string) => (name === "a.b_c" ? "x" : "") },
  { ID: "4567", Names: "database", Size: "2kB", Label: () => "" },
];
const columns = [
  { heading: "CONTAINER ID", field: "ID" },
  { heading: "NAMES", field: "Names" },
] as const;
const headings = { ID: "CONTAINER ID", Names: "NAMES", Size: "SIZE", Label: "LABEL" };

function list(format: string, of: typeof rows = rows): string[] {
  return formatListing(of, format, columns, headings);
}

describe("formatListing()", () => {
  const table = ["CONTAINER ID   NAMES", "0123           web", "4567           database"];
  const cases: readonly [sentence: string, format: string, lines: readonly string[]][] = [
    ["table alone is the default columns", "table", table],
    ["nothing is, too", "", table],
    ["a table of one's own has docker's headings", "table {{.ID}}\t{{.Names}}", table],
    ["its tab may be a backslash and t", "table {{.ID}}\\t{{.Names}}", table],
    ["it needs no space behind the word", "table{{.ID}}\t{{.Names}}  ", table],
    [
      "functions leave headings alone, conditions do not",
      "table {{upper .Names}}\t{{truncate .ID 2}}\t{{json .Size}}\t{{if .ID}}{{.Size}}{{end}}",
      [
        "NAMES      CONTAINER ID   SIZE    SIZE",
        'WEB        01             "1kB"   1kB',
        'DATABASE   45             "2kB"   2kB',
      ],
    ],
    [
      "text in a table stands in its heading",
      "table <{{.ID}}>",
      ["<CONTAINER ID>", "<0123>", "<4567>"],
    ],
    [
      "a label's heading is the end of its name",
      'table {{.ID}}\t{{.Label "a.b_c"}}',
      ["CONTAINER ID   b c", "0123           x", "4567"],
    ],
    ["a template prints each row", "{{.ID}}:{{.Names}}", ["0123:web", "4567:database"]],
    ["a template has tabs and newlines by name", "{{.ID}}\\t\\n", ["0123\t\n", "4567\t\n"]],
    ["spaces around a template are nothing", " {{.ID}} ", ["0123", "4567"]],
    ["a row may be an empty line", '{{if eq .ID "0123"}}{{.ID}}{{end}}', ["0123", ""]],
    [
      "json is an object per line",
      "json",
      ['{"ID":"0123","Names":"web","Size":"1kB"}', '{"ID":"4567","Names":"database","Size":"2kB"}'],
    ],
  ];
  for (const [sentence, format, lines] of cases) {
    test(sentence, () => expect(list(format)).toEqual([...lines]));
  }

  test("no rows are headings in a table, and else nothing", () => {
    expect(list("table", [])).toEqual(["CONTAINER ID   NAMES"]);
    expect(list("table {{.Size}}", [])).toEqual(["SIZE"]);
    expect(list("{{.Size}}", [])).toEqual([]);
    expect(list("json", [])).toEqual([]);
  });

  test("a field without a heading is unknown, also where there are no rows", () => {
    expect(() => list("{{.Nams}}", [])).toThrow('Cannot use --format "{{.Nams}}"');
  });

  test("a word that is no template is an error and not printed for every row", () => {
    expect(() => list("xml")).toThrow('Cannot use --format "xml": it has no {{ }}');
  });

  test("a place in a table's template counts the word table", () => {
    expect(() => list("table {{.ID}")).toThrow(
      expect.objectContaining({ cause: expect.stringContaining("column 12: ") }),
    );
  });
});

describe("formatDocuments()", () => {
  const documents = [{ A: 1 }, { A: "x" }];

  test("is an indented array when nothing is said", () => {
    expect(formatDocuments([{ A: 1 }], "")).toEqual(['[\n    {\n        "A": 1\n    }\n]']);
  });

  test("json is the array in one line", () => {
    expect(formatDocuments(documents, "json")).toEqual(['[{"A":1},{"A":"x"}]']);
  });

  test("a template prints each, with backslashes as they are", () => {
    expect(formatDocuments(documents, "{{.A}}\\n")).toEqual(["1\\n", "x\\n"]);
  });
});
