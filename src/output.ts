/**
 * What hb itself prints: lines, notices, tables. The only user of descriptors 1 and 2 but for
 * main.ts's error line and containers, which have them directly.
 *
 * Results go to stdout, everything about how it goes to stderr. Writes are synchronous: what was
 * printed is out before hb becomes another program.
 */

import { writeSync } from "node:fs";
import { HbError, printable } from "./errors.ts";
import { waitWritable } from "./host/libc.ts";

const STDOUT = 1;
const STDERR = 2;

/** Prints one line of a result. */
export function printResult(line: string): void {
  writeAll(STDOUT, `${line}\n`);
}

/** Prints one line about the work. */
export function printStatus(line: string): void {
  writeAll(STDERR, `${line}\n`);
}

/** Says that something is weaker than asked for, what it costs and what to do. */
export function printNotice(text: string): void {
  writeAll(STDERR, `hb: notice: ${printable(text)}\n`);
}

/** Writes `text` as it is to stderr: for what draws on a terminal. */
export function drawStatus(text: string): void {
  writeAll(STDERR, text);
}

/** The terminal on stderr, or undefined where there is none to draw on. */
export function statusTerminal(): { readonly columns: number; readonly rows: number } | undefined {
  const { isTTY, columns, rows } = process.stderr;
  if (!isTTY || process.env.TERM === "dumb") return undefined;
  return { columns: columns || 80, rows: rows || 24 };
}

/** Rows under headings, in columns as wide as their widest cell, as docker prints them. */
export function formatTable(headings: readonly string[], rows: readonly string[][]): string[] {
  const cells = [headings, ...rows].map((row) => row.map(printable));
  const widths = headings.map((_, column) =>
    Math.max(...cells.map((row) => (row[column] ?? "").length)),
  );
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd(),
  );
}

/** Bytes as docker shows them: decimal units, three digits. */
export function humanSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${units[unit]}`;
}

/** A moment as docker's `CreatedAt` has it (Go's time.String), in UTC. */
export function formatTime(moment: Date): string {
  const [day = "", time = ""] = moment.toISOString().split("T");
  return `${day} ${time.slice(0, 8)} +0000 UTC`;
}

/** How long ago, as docker words it (units.HumanDuration). */
export function humanAge(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return "Less than a second ago";
  if (seconds === 1) return "1 second ago";
  if (seconds < 60) return `${seconds} seconds ago`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute ago";
  if (minutes < 60) return `${minutes} minutes ago`;
  const hours = Math.round(minutes / 60);
  if (hours === 1) return "About an hour ago";
  if (hours < 48) return `${hours} hours ago`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days ago`;
  if (days < 61) return `${Math.floor(days / 7)} weeks ago`;
  if (days < 730) return `${Math.floor(days / 30)} months ago`;
  return `${Math.floor(days / 365)} years ago`;
}

/** Writes a container's own bytes, as they are, to the stream they were written to. */
export function passOn(stream: "stdout" | "stderr", bytes: Uint8Array): void {
  writeBytes(stream === "stdout" ? STDOUT : STDERR, bytes);
}

function writeAll(fd: number, text: string): void {
  writeBytes(fd, new TextEncoder().encode(text));
}

function writeBytes(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // A reader that went away is for main.ts to know; a full disk is no defect of ours.
      if (code === "EPIPE") throw error;
      if (code !== "EAGAIN") throw new HbError("Cannot write the output", { cause: error });
      // Somebody else made this descriptor non-blocking (it is shared with them).
      waitWritable(fd);
    }
  }
}
