/** What templates print. Every row holds for Go's text/template and docker, unless it says so. */

import { describe, expect, test } from "bun:test";
import { compileTemplate } from "./template.ts";

type Row = readonly [sentence: string, template: string, value: unknown, text: string];

function holds(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    for (const [sentence, template, value, text] of rows) {
      test(sentence, () => expect(compileTemplate(template).render(value)).toBe(text));
    }
  });
}

const container = {
  Name: "/web",
  Config: { Labels: { "com.x.y": "z", foo: "bar" }, Env: ["A=1", "B=2"], Cmd: null },
  State: { Status: "running", Running: true, ExitCode: 0 },
  NetworkSettings: {
    IPAddress: "10.88.0.2",
    Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }], "443/tcp": [{ HostPort: "1" }] },
  },
  Mounts: [
    { Source: "/a", Destination: "/x", RW: true },
    { Source: "/b", Destination: "/y", RW: false },
  ],
};

holds("what people's scripts ask of inspect", [
  ["a field", "{{.Name}}", container, "/web"],
  ["a field of a field", "{{.NetworkSettings.IPAddress}}", container, "10.88.0.2"],
  ["a label whose name is a word", "{{.Config.Labels.foo}}", container, "bar"],
  ["a label with dots", '{{index .Config.Labels "com.x.y"}}', container, "z"],
  ["a label that is not there", '[{{index .Config.Labels "no"}}]', container, "[]"],
  [
    "every port, by name",
    "{{range $k, $v := .NetworkSettings.Ports}}{{$k}} -> {{(index $v 0).HostPort}} {{end}}",
    container,
    "443/tcp -> 1 80/tcp -> 8080 ",
  ],
  ["one port", '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', container, "8080"],
  [
    "one port by several keys",
    '{{with index .NetworkSettings.Ports "80/tcp" 0}}{{.HostPort}}{{end}}',
    container,
    "8080",
  ],
  [
    "what is mounted",
    "{{range .Mounts}}{{.Source}}:{{.Destination}}{{if not .RW}}:ro{{end}} {{end}}",
    container,
    "/a:/x /b:/y:ro ",
  ],
  ["JSON of a part", "{{json .Config.Env}}", container, '["A=1","B=2"]'],
  ["JSON through a pipeline", "{{.State | json}}", { State: { a: 1 } }, '{"a":1}'],
  ["JSON of what is not there", "{{json .a.b}}", { a: {} }, "null"],
  ["lines", "{{range .Config.Env}}{{println .}}{{end}}", container, "A=1\nB=2\n"],
  ["a list with commas", '{{join .Config.Env ","}}', container, "A=1,B=2"],
  [
    "commas only between",
    "{{range $i, $e := .Config.Env}}{{if $i}}, {{end}}{{$e}}{{end}}",
    container,
    "A=1, B=2",
  ],
  ["a decision", "{{if .State.Running}}up{{else}}down{{end}}", container, "up"],
  [
    "a decision among several",
    '{{if eq .State.Status "exited" "dead"}}over{{else if eq .State.ExitCode 0}}fine{{end}}',
    container,
    "fine",
  ],
  ["a newline", '{{.Name}}{{"\\n"}}', container, "/web\n"],
  ["no tab for a backslash and t", "{{.Name}}\\t", container, "/web\\t"],
  [
    "a health that nobody checks",
    "{{if .State.Health}}{{.State.Health.Status}}{{end}}|",
    container,
    "|",
  ],
  ["a list that is null, as docker has it", "{{len .Config.Cmd}}", container, "0"],
]);

holds("values print as Go prints them", [
  ["a list", "{{.}}", ["a", "b"], "[a b]"],
  ["a map, by its keys", "{{.}}", { b: 1, a: "x" }, "map[a:x b:1]"],
  [
    "all of JSON at once",
    "{{.}}",
    { a: [1, "b", null, true, 1.5, { c: "d" }] },
    "map[a:[1 b <nil> true 1.5 map[c:d]]]",
  ],
  ["empty ones", "{{.}}", { a: [], b: {} }, "map[a:[] b:map[]]"],
  ["a truth", "{{.a}}", { a: false }, "false"],
  ["a key that is not there", "{{.a.b}} {{.a.b.c}}", { a: {} }, "<no value> <no value>"],
  ["null", "{{.a}}", { a: null }, "<no value>"],
  ["null as an argument", "{{print .a}}", { a: null }, "<nil>"],
  ["a large whole number", "{{.a}}", { a: 123456789012 }, "123456789012"],
  ["a broken number", "{{.a}} {{.b}}", { a: 0.25, b: 1234567.25 }, "0.25 1.23456725e+06"],
  [
    "no field of JavaScript's",
    "{{.a.length}} {{.a.constructor}}",
    { a: {} },
    "<no value> <no value>",
  ],
]);

holds("text and spaces", [
  ["text alone on both sides", "a{{.}}b", 1, "a1b"],
  ["trimmed on both sides", "a \n {{- . -}} \t b", 1, "a1b"],
  ["trimmed on one", "a {{- .}} b", 1, "a1 b"],
  ["a minus that is a number's", "a {{-3}}", 1, "a -3"],
  ["a trim marker before a number", "a {{- 3}}", 1, "a3"],
  ["comments", "a{{/* b }} c */}}d {{- /* e */ -}} f", 1, "adf"],
  ["newlines in an action", "{{printf\n\t.\n}}", "x", "x"],
  ["braces alone", "{ }} {{.}}", 1, "{ }} 1"],
]);

holds("literals", [
  ["strings", '{{"a\\t\\"\\x41\\101\\u00e9"}}', 0, 'a\t"AA\u00e9'],
  ["raw strings", '{{`a\\n"`}}', 0, 'a\\n"'],
  ["characters are numbers", "{{'a'}} {{'\\''}} {{'\\n'}}", 0, "97 39 10"],
  [
    "numbers",
    "{{1_000}} {{0x1F}} {{0b11}} {{017}} {{0o17}} {{-3}} {{+4}}",
    0,
    "1000 31 3 15 15 -3 4",
  ],
  ["broken numbers", "{{1.5}} {{.5}} {{1e-7}} {{0.000001}}", 0, "1.5 0.5 1e-07 1e-06"],
  ["truths and nothing", "{{true}} {{false}} {{print nil}}", 0, "true false <nil>"],
]);

holds("variables", [
  ["keep a value", "{{$x := .a}}{{$x}}{{$x.b}}", { a: { b: 1 } }, "map[b:1]1"],
  ["are changed by =", "{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", 0, "2"],
  ["are hidden by := in a block", "{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", 0, "21"],
  [
    "begin with the whole value",
    "{{range .a}}{{$.b}}{{$}}{{end}}",
    { a: [1], b: 2 },
    "2map[a:[1] b:2]",
  ],
  ["of a range see only values when alone", "{{range $e := .}}{{$e}}{{end}}", ["a", "b"], "ab"],
  ["of a range can be there before", "{{$i := 9}}{{range $i, $_ := .}}{{end}}{{$i}}", ["a"], "9"],
  ["of a range can be assigned", "{{$e := 9}}{{range $e = .}}{{end}}{{$e}}", [1, 2], "2"],
  ["of with are there in else", "{{with $x := .}}{{else}}{{$x}}{{end}}", 0, "0"],
]);

holds("blocks", [
  ["with changes what dot is", "{{with .a}}{{.b}}{{end}}", { a: { b: 1 } }, "1"],
  ["with has an else", "{{with .a}}x{{else}}{{.b}}{{end}}", { a: 0, b: 1 }, "1"],
  [
    "else with asks again",
    "{{with .a}}x{{else with .b}}{{.}}{{else}}z{{end}}",
    { a: 0, b: 1 },
    "1",
  ],
  ["range over nothing is else", "{{range .a}}x{{else}}none{{end}}", { a: [] }, "none"],
  ["range over what is not there is else", "{{range .a.b}}x{{else}}none{{end}}", { a: {} }, "none"],
  ["range goes through a map by its keys", "{{range .}}{{.}}{{end}}", { b: 2, a: 1 }, "12"],
  ["range counts", "{{range 3}}{{.}}{{end}}", 0, "012"],
  [
    "break and continue leave a range and a turn of it",
    "{{range .}}{{if eq . 2}}{{continue}}{{end}}{{if eq . 4}}{{break}}{{end}}{{.}}{{end}}",
    [1, 2, 3, 4, 5],
    "13",
  ],
  [
    "break leaves the innermost range",
    "{{range .}}{{range .}}{{break}}{{end}}x{{end}}",
    [[1], [2]],
    "xx",
  ],
  [
    "zero, empty and nothing are false",
    '{{range .}}{{if .}}t{{else}}f{{end}}{{end}}{{if ""}}t{{end}}',
    [0, "", [], {}, null, false, 1, "0", [0], { a: 0 }, true],
    "ffffffttttt",
  ],
]);

holds("pipelines and parentheses", [
  ["the value is the last argument", '{{.a | printf "%s-%s" "x"}}', { a: "y" }, "x-y"],
  ["several steps", "{{.a | upper | printf `%q`}}", { a: "y" }, '"Y"'],
  ["parentheses are a value", "{{len (split .a `,`)}}", { a: "x,y" }, "2"],
  ["parentheses have fields", "{{(.a).b}}", { a: { b: 1 } }, "1"],
]);

holds("comparisons and logic", [
  ["eq of any", "{{eq . 1 2 3}} {{eq . 1}}", 3, "true false"],
  [
    "the others",
    "{{ne . 1}} {{lt . 4}} {{le . 3}} {{gt . 3}} {{ge . 3}}",
    3,
    "true true true false true",
  ],
  ["strings by their order", '{{lt "a" "b"}} {{gt "B" "a"}}', 0, "true false"],
  [
    "nothing equals only nothing",
    "{{eq .a.b `x`}} {{eq .a.b .a.c}} {{ne .a .a.b}}",
    { a: {} },
    "false true true",
  ],
  ["and gives the value that decides", "{{and .a .b}} {{and .b .c}}", { a: 0, b: 1, c: 2 }, "0 2"],
  ["or does, too", "{{or .a .b}} {{or .a `` }}", { a: 0, b: 1 }, "1 "],
  [
    "what decided spares the rest",
    "{{or true (index .a 9)}} {{and false (index .a 9)}}",
    { a: [] },
    "true false",
  ],
  ["not", "{{not .a}} {{not .b}}", { a: 0, b: 1 }, "true false"],
]);

holds("functions", [
  [
    "len of each kind, strings in bytes",
    "{{len .a}}{{len .b}}{{len .c}}",
    { a: "h\u00e9", b: [1], c: {} },
    "310",
  ],
  ["index of a list and a string", "{{index .a 1}} {{index .b 1}}", { a: [1, 2], b: "ab" }, "2 98"],
  ["index of a list's objects", '{{index .a 0 "b"}}', { a: [{ b: 1 }] }, "1"],
  ["index without a key", "{{index 1}}", 0, "1"],
  [
    "slice",
    "{{slice .a 1 3}} {{slice .b 1}} {{slice .a}}",
    { a: "abcd", b: [1, 2] },
    "bc [2] abcd",
  ],
  [
    "join of anything",
    "{{join .a `,`}} {{join .b `,`}}",
    { a: [1, "y"], b: { q: "z", p: "y" } },
    "1,y y,z",
  ],
  ["join of nothing", "[{{join .a `,`}}]", { a: null }, "[]"],
  ["split", "{{split .a `,`}} {{split .a ``}}", { a: "x,y" }, "[x y] [x , y]"],
  [
    "lower, upper, title",
    '{{lower "aB"}} {{upper "aB"}} {{title "ab cD_e-f 1g"}}',
    0,
    "ab AB Ab CD_e-F 1g",
  ],
  ["pad, but not nothing", '[{{pad "x" 1 2}}{{pad "" 1 2}}]', 0, "[ x  ]"],
  ["truncate", '{{truncate "hello" 3}} {{truncate "hi" 5}}', 0, "hel hi"],
  // Go would print half a character here.
  ["truncate leaves characters whole", '{{truncate "h\u00e9" 2}}', 0, "h"],
  ["print spaces what is no string", '{{print 1 2 "a" "b" 3}}', 0, "1 2ab3"],
  ["println spaces everything", '{{println 1 "a" true}}', 0, "1 a true\n"],
]);

holds("printf", [
  [
    "the usual verbs",
    '{{printf "%s %d %v %t %q" "a" 1 .a true "q"}}',
    { a: [1] },
    'a 1 [1] true "q"',
  ],
  [
    "widths",
    '{{printf "%5d|%-5s|%5s|%05d|%+d" 3 "ab" "ab" -42 1}}',
    0,
    "    3|ab   |   ab|-0042|+1",
  ],
  ["bases", '{{printf "%x %X %o %b %c %U" 255 255 8 5 97 97}}', 0, "ff FF 10 101 a U+0061"],
  ["strings in bytes", '{{printf "%x|% x|%X" "hi" "hi" "j"}}', 0, "6869|68 69|6A"],
  ["strings cut and padded by characters", '{{printf "%6.2s|" "h\u00e9llo"}}', 0, "    h\u00e9|"],
  [
    "broken numbers",
    '{{printf "%.2f %6.1f|%08.3f %e %g" 3.14159 2.25 3.14159 1234.5 1e21}}',
    0,
    "3.14    2.2|0003.142 1.234500e+03 1e+21",
  ],
  [
    "significant digits",
    '{{printf "%.3g %.3g %.8g" 1234.5 0.00012345 12.5}}',
    0,
    "1.23e+03 0.000123 12.5",
  ],
  [
    "lists and maps, each member",
    '{{printf "%q %d %s" .a .b .c}}',
    { a: ["x"], b: [1, 2], c: { k: "v" } },
    '["x"] [1 2] map[k:v]',
  ],
  [
    "what does not fit its verb",
    '{{printf "%s %d %t %z" 5 "x" 1 2}}',
    0,
    "%!s(int=5) %!d(string=x) %!t(int=1) %!z(int=2)",
  ],
  [
    "too few and too many",
    '{{printf "%d"}} {{printf "a" 1 "b" nil}}',
    0,
    "%!d(MISSING) a%!(EXTRA int=1, string=b, <nil>)",
  ],
  ["nothing", '{{printf "%v %s" nil nil}}', 0, "<nil> %!s(<nil>)"],
  ["no width without end", '{{printf "%9999999d" 1}}', 0, "%!(BADWIDTH)%!(EXTRA int=1)"],
  ["percent signs", '{{printf "%%"}} {{printf "%"}}', 0, "% %!(NOVERB)"],
  [
    "quotes as Go writes them",
    '{{printf "%q" "\\x07\\n\\u200b\\u00e9\\U0001f600"}}',
    0,
    '"\\a\\n\\u200b\u00e9\u{1f600}"',
  ],
]);

describe("methods", () => {
  const row = { ID: "1", Label: (name: string) => (name === "a" ? "b" : "") };

  test("a function of a row takes arguments", () => {
    expect(compileTemplate('{{.Label "a"}}|{{.Label "c"}}').render(row)).toBe("b|");
    expect(compileTemplate('{{"a" | .Label}}').render(row)).toBe("b");
  });

  test("it is not called without what it needs", () => {
    expect(() => compileTemplate("{{.Label}}").render(row)).toThrow(
      expect.objectContaining({ cause: "column 3: .Label takes 1 argument, got 0" }),
    );
  });

  test("it is no part of the row's JSON and print", () => {
    expect(compileTemplate("{{json .}} {{.}}").render(row)).toBe('{"ID":"1"} map[ID:1]');
  });
});
