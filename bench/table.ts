/** Results as text: one block per row, a line per contender, then the budgets. */

import type { Metric, Result, Standing, Verdict } from "./measure.ts";

/** One row's block. */
export function formatResult(result: Result): string {
  const yardstick = result.standings.find(({ name }) => name === result.yardstick);
  const present = result.standings.filter(({ missing }) => missing === undefined);
  const lines = [header(result)];
  for (const standing of present) lines.push(line(standing, result.metrics, yardstick));
  const body = align(lines);
  const absent = result.standings.filter(({ missing }) => missing !== undefined);
  return [
    `${result.group}: ${result.title}`,
    ...body.map((text) => `  ${text}`),
    ...absent.map(({ name, missing }) => `  ${name}: not measured: ${missing}`),
    ...result.verdicts.map((verdict) => `  ${formatVerdict(verdict, result.metrics)}`),
    ...(result.note === undefined ? [] : [`  (${result.note})`]),
    "",
  ].join("\n");
}

function header(result: Result): string[] {
  const cells = [""];
  for (const { name, unit } of result.metrics) {
    cells.push(`${name}, ${unit}`, "spread", `÷ ${result.yardstick}`);
  }
  return cells;
}

function line(standing: Standing, metrics: readonly Metric[], yardstick?: Standing): string[] {
  const cells = [standing.name];
  for (const { name } of metrics) {
    const mine = standing.figures[name];
    const theirs = yardstick?.figures[name]?.median;
    if (mine === undefined) cells.push("", "", "");
    else {
      const spread = `${formatNumber(mine.low)}–${formatNumber(mine.high)}`;
      const ratio = theirs === undefined || theirs === 0 ? "" : (mine.median / theirs).toFixed(3);
      cells.push(formatNumber(mine.median), spread, ratio);
    }
  }
  return cells;
}

function formatVerdict({ budget, value, met }: Verdict, metrics: readonly Metric[]): string {
  const unit = metrics.find(({ name }) => name === budget.metric)?.unit ?? "";
  const limit = budget.ratioTo === undefined ? unit : `× ${budget.ratioTo}`;
  const { min, max, above } = budget;
  const ground = above === undefined ? "" : ` above ${above}`;
  const bounds = [min === undefined ? "" : `≥ ${min} `, max === undefined ? "" : `≤ ${max} `];
  const text = `hb ${budget.metric} ${bounds.join("")}${limit}${ground}`;
  if (value === undefined) return `· ${text}: nothing to compare`;
  return `${met === true ? "✓" : "✗ MISSED"} ${text}: ${formatNumber(value)}`;
}

/** Three significant digits, no exponent. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd(),
  );
}
