import { printable, truncate } from "../../base/log-text.ts";

/** Cells may carry colours, which take no width. */
export type Row = readonly string[];

/** A reason may have 1,024 characters; a table that wraps is no table. */
const CELL_CODE_POINTS_MAX = 64;

/** One value, short and on one line. */
export function cell(text: string, max = CELL_CODE_POINTS_MAX): string {
  return text === "" ? "-" : truncate(printable(text), max);
}

/** Whether a cell does not show all of the text. */
export function isCut(text: string, max = CELL_CODE_POINTS_MAX): boolean {
  return text !== "" && cell(text, max) !== printable(text);
}

/** Columns of equal width, two spaces apart, without spaces at the end of a line. */
export function renderTable(rows: readonly Row[], indent = ""): string {
  return tableLines(rows, indent)
    .map((line) => `${line}\n`)
    .join("");
}

export function tableLines(rows: readonly Row[], indent = ""): readonly string[] {
  const widths = widthsOf(rows);
  return rows.map((row) => indent + renderRow(row, widths));
}

/** In columns of a terminal: some characters take two, and some none. */
export function widthsOf(rows: readonly Row[], least: readonly number[] = []): readonly number[] {
  const widths = [...least];
  for (const row of rows) {
    for (const [i, text] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, Bun.stringWidth(text));
  }
  return widths;
}

export function renderRow(row: Row, widths: readonly number[]): string {
  const padded = row.map((text, i) => text + " ".repeat(Math.max(0, (widths[i] ?? 0) - Bun.stringWidth(text))));
  return padded.join("  ").trimEnd();
}
