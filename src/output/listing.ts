/**
 * What commands print of what they found: lists of rows (`images`, `ps`, `network ls`) and whole
 * documents (`inspect`), in the forms that `--format` asks for.
 */

import { formatTable } from "../output.ts";
import { toJson } from "./json.ts";
import { compileRowTemplate, compileTemplate } from "./template.ts";

/** One column of the default table. */
export interface Column<Row> {
  readonly heading: string;
  readonly field: keyof Row & string;
}

/**
 * A listing as lines without line end. `format` is `table` (or nothing) for a table of `columns`,
 * `json` for one object per line, `table TEMPLATE` for columns between `\t` under `headings`, or a
 * template for each row. `headings` has every field that a template may name.
 */
export function formatListing<Row extends object>(
  rows: readonly Row[],
  format: string,
  columns: readonly Column<Row>[],
  headings: Readonly<Record<string, string>>,
): string[] {
  if (format === "json") return rows.map((row) => toJson(row));
  if (format === "" || format === "table") {
    const cells = rows.map((row) => columns.map(({ field }) => String(row[field] ?? "")));
    return formatTable(
      columns.map(({ heading }) => heading),
      cells,
    );
  }
  const template = compileRowTemplate(format, Object.keys(headings));
  const lines = rows.map((row) => template.render(row));
  if (!format.startsWith("table")) return lines;
  return alignColumns(template.renderHeadings({ ...headings, Label: labelHeading }), lines);
}

/** One document: indented or (`json`) not, or by a template. */
export function formatDocument(document: unknown, format: string): string {
  if (format === "json") return toJson(document);
  return compileTemplate(format).render(document);
}

/** Documents as lines: one array, indented or (`json`) not, or a template for each. */
export function formatDocuments(documents: readonly unknown[], format: string): string[] {
  if (format === "") return [toJson(documents, 4)];
  if (format === "json") return [toJson(documents)];
  const template = compileTemplate(format);
  return documents.map((document) => template.render(document));
}

function alignColumns(headings: string, lines: readonly string[]): string[] {
  const rows = lines.flatMap((line) => line.split("\n")).map((line) => line.split("\t"));
  const cells = headings.split("\t");
  const missing = Math.max(0, ...rows.map((row) => row.length)) - cells.length;
  return formatTable([...cells, ...Array<string>(Math.max(0, missing)).fill("")], rows);
}

/** What docker writes above `{{.Label "com.example.some-name"}}`. */
function labelHeading(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1).replace(/[-_]/g, " ");
}
