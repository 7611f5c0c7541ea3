/** What is wrong with a template or does not fit it: one line that says where. */

import { describe, expect, test } from "bun:test";
import { formatError, HbError, UsageError } from "../../errors.ts";
import { compileTemplate } from "../template.ts";

function errorOf(template: string, value?: unknown, fields?: readonly string[]): HbError {
  try {
    compileTemplate(template, fields).render(value);
  } catch (error) {
    if (error instanceof HbError) return error;
    throw error;
  }
  throw new Error(`${template} was rendered`);
}

describe("a template that cannot be read is a usage error with a place", () => {
  const cases: readonly [sentence: string, template: string, message: string][] = [
    ["an open action", "{{.a", "column 1: this {{ is not closed by }}"],
    ["half a close", "{{.a}", 'column 5: "}" cannot stand here'],
    ["an open comment", "{{/* a }}", "column 3: this comment is not closed by */"],
    ["more than a comment", "{{/* a */ x}}", "column 10: only }} may follow a comment"],
    ["an open string", '{{"a}}', 'column 3: this " is not closed by another'],
    ["a strange escape", '{{"a\\z"}}', 'column 5: \\z is no escape in ""'],
    ["two characters for one", "{{'ab'}}", "column 3: 'ab' is not one character"],
    ["half a number", "{{1x}}", "column 3: 1x is no number"],
    ["a dash in a name", "{{.a-b}}", 'column 5: "-" cannot stand here'],
    ["an empty action", "{{}}", "column 3: {{ }} needs a value"],
    ["an empty condition", "{{if}}{{end}}", "column 5: if needs a value"],
    ["nothing behind a pipe", "{{.a | }}", "column 8: | needs a value"],
    ["a value behind a pipe", "{{.a | 3}}", "column 8: a value can stand only first in a pipeline"],
    ["an open parenthesis", "{{(.a}}", "column 3: this ( is not closed by )"],
    ["a closed one", "{{.a)}}", 'column 5: ")" cannot stand behind a command'],
    ["values without a space", '{{print "a""b"}}', "column 12: a space is missing before this"],
    ["a block without end", "{{if .a}}b", "column 6: this if has no {{end}}"],
    ["an end without block", "a{{end}}", "column 4: {{end}} has no if, with or range before it"],
    ["two elses", "{{if .}}{{else}}{{else}}{{end}}", "column 19: this has an {{else}} already"],
    ["break outside of a range", "{{break}}", "column 3: {{break}} is in no range"],
    ["an unknown variable", "{{$x}}", "column 3: there is no variable $x"],
    [
      "a variable of a block behind it",
      "{{if .}}{{$x := 1}}{{end}}{{$x}}",
      "column 29: there is no variable $x",
    ],
    [
      "a variable of if in its else",
      "{{if .}}{{$x := 1}}{{else}}{{$x}}{{end}}",
      "column 30: there is no variable $x",
    ],
    [
      "two variables outside of a range",
      "{{$a, $b := .}}",
      "column 7: only a range has two variables",
    ],
    [
      "three in a range",
      "{{range $a, $b, $c := .}}{{end}}",
      "column 15: a range has two variables at most",
    ],
    [
      "a template in the template",
      '{{define "x"}}{{end}}',
      "column 3: {{define}} is not supported",
    ],
    ["fields of a constant", '{{"a".b}}', 'column 3: "a" has no fields'],
    ["a word", "json .", "it has no {{ }}; write fields as '{{.ID}}', or the word json"],
    ["a place in the second line", "a\n {{.b", "line 2, column 2: this {{ is not closed by }}"],
    ["a place behind wide characters", "\u{1f600}{{", "column 2: this {{ is not closed by }}"],
  ];
  for (const [sentence, template, message] of cases) {
    test(sentence, () => {
      const error = errorOf(template);
      expect(error).toBeInstanceOf(UsageError);
      const shown = JSON.stringify(template);
      expect(formatError(error)).toBe(`Cannot use --format ${shown}: ${message}`);
    });
  }

  test("an unknown function, with the nearest", () => {
    expect(errorOf("{{jsn .}}").hint).toBe("did you mean json?");
  });

  test("one that is nested without end", () => {
    const often = (piece: string) => piece.repeat(50_000);
    const nested = [often("{{if .}}"), `{{if .}}${often("{{else if .}}")}`, `{{${often("(")}}}`];
    for (const template of nested) {
      expect(errorOf(template).cause).toEndWith("more than 200 blocks and parentheses");
    }
  });

  test("a very long one is not repeated whole", () => {
    expect(errorOf(`${"x".repeat(1000)}{{`).message.length).toBeLessThan(400);
  });
});

describe("a value that does not fit the template is an error with a place", () => {
  const cases: readonly [sentence: string, template: string, value: unknown, message: string][] = [
    ["a field of a string", "{{.a.b}}", { a: "s" }, "column 3: there is no field .b in string s"],
    ["a field of null", "{{.a.b}}", { a: null }, "column 3: there is no field .b in null"],
    ["a field of a list", "{{.a.b}}", { a: [1] }, "column 3: there is no field .b in list [1]"],
    ["an index too far", "{{index . 3}}", [1], "column 3: index: index out of range: 3 of 1"],
    ["an index below", "{{index . -1}}", [1], "column 3: index: index out of range: -1 of 1"],
    [
      "an index into null",
      "{{index .a 0}}",
      { a: null },
      "column 3: index: index out of range: 0 of 0",
    ],
    [
      "a name for a list",
      '{{index . "x"}}',
      [1],
      "column 3: index: it takes a whole number, got string x",
    ],
    [
      "a number for a map",
      "{{index . 1}}",
      { a: 1 },
      "column 3: index: a map's keys are strings, got int 1",
    ],
    ["a slice too far", "{{slice . 1 9}}", "abc", "column 3: slice: index out of range: 9 of 3"],
    ["a slice that goes back", "{{slice . 2 1}}", "abc", "column 3: slice: 2 is behind 1"],
    ["eq of two kinds", '{{eq . "a"}}', 1, "column 3: eq: it cannot compare int 1 with string a"],
    ["eq of lists", "{{eq . .}}", [1], "column 3: eq: it cannot compare a list"],
    [
      "lt of truths",
      "{{lt . 1}}",
      true,
      "column 3: lt: it compares numbers or strings, got bool true",
    ],
    ["len of a number", "{{len .}}", 5, "column 3: len: int 5 has no length"],
    ["lower of a number", "{{lower .}}", 5, "column 3: lower: it takes a string, got int 5"],
    [
      "lower of nothing",
      "{{lower .a.b}}",
      { a: {} },
      "column 3: lower: it takes a string, got no value",
    ],
    ["too few arguments", "{{lower}}", 0, "column 3: lower takes 1 argument, got 0"],
    [
      "too many arguments",
      "{{slice . 1 2 3}}",
      [],
      "column 3: slice takes 1 to 3 arguments, got 4",
    ],
    ["arguments of a field", "{{.a 1}}", { a: 1 }, "column 3: .a is no method but has arguments"],
    ["arguments of a value", "{{1 2}}", 0, "column 3: only functions and methods take arguments"],
    [
      "a range without end",
      "{{range 9999999}}{{end}}",
      0,
      "column 9: range cannot go over int 9999999",
    ],
    ["padding without end", '{{pad "x" 0 9999999}}', 0, "column 3: pad: it adds 1000000 at most"],
    ["nil alone", "{{nil}}", 0, "column 3: nil alone is no value"],
    [
      "a range over a string",
      "{{range .}}{{end}}",
      "abc",
      "column 9: range cannot go over string abc",
    ],
  ];
  for (const [sentence, template, value, message] of cases) {
    test(sentence, () => {
      const error = errorOf(template, value);
      expect(error).not.toBeInstanceOf(UsageError);
      const shown = JSON.stringify(template);
      expect(formatError(error)).toBe(`Cannot use --format ${shown}: ${message}`);
    });
  }
});

describe("a field at top level that is not there", () => {
  const fields = ["ID", "Names", "Status"];

  test("is found before there is a row, and the nearest is offered", () => {
    const error = errorOf("{{.Nmaes}}", undefined, fields);
    expect(error).toBeInstanceOf(UsageError);
    expect(formatError(error)).toEndWith(
      "column 3: there is no field .Nmaes; did you mean .Names?",
    );
  });

  test("is found by its way from $, in parentheses and in arguments", () => {
    for (const template of ["{{range .ID}}{{$.Nme}}{{end}}", "{{(.Nme)}}", "{{print .ID .Nme}}"]) {
      expect(errorOf(template, undefined, fields).hint).toBeDefined();
    }
  });

  test("is not looked for where dot is something else", () => {
    const template = compileTemplate(
      "{{range .Names}}{{.Any}}{{end}}{{with .ID}}{{.x}}{{end}}",
      fields,
    );
    expect(template.render({ ID: "", Names: [{ Any: 1 }] })).toBe("1");
  });

  test("is looked for again behind the block and in its else", () => {
    expect(() => compileTemplate("{{with .ID}}{{else}}{{.x}}{{end}}", fields)).toThrow();
    expect(() => compileTemplate("{{with .ID}}{{end}}{{.x}}", fields)).toThrow();
  });

  test("is named with all there are where none is near", () => {
    expect(errorOf("{{.X}}", undefined, fields).hint).toBe("the fields are ID, Names, Status");
  });

  test("of a document is looked for in the document", () => {
    expect(formatError(errorOf("{{.Stat}}", { State: {} }))).toEndWith("did you mean .State?");
  });

  test("a field of a listing written as a word gets its dot", () => {
    expect(errorOf("{{ID}}", undefined, fields).hint).toBe("write .ID for the field");
  });
});
