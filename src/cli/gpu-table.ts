import { printable, truncate } from "../base/log-text.ts";
import type { Gpu } from "../gen/device/v1alpha1/gpu_pb.ts";

export type Row = readonly string[];

export const GPU_HEADINGS: Row = ["NAME", "READY", "REASON", "ACTION", "AGE"];

/** A reason may have 1,024 characters; a table that wraps is no table. */
const CELL_CODE_POINTS_MAX = 64;

/** One GPU as people read it; AGE is how long Ready has had its status. */
export function gpuRow(gpu: Gpu, nowMs: number): Row {
  const ready = gpu.status?.conditions.find(({ type }) => type === "Ready");
  const since = ready?.lastTransitionTime;
  return [
    cell(gpu.metadata?.name ?? ""),
    cell(ready?.status ?? "Unknown"),
    cell(ready?.reason ?? "NoReport"),
    cell(gpu.status?.recommendedAction ?? ""),
    since === undefined ? "-" : formatAge(nowMs - Number(since.seconds) * 1_000),
  ];
}

/** One value, short and on one line. */
export function cell(text: string): string {
  return text === "" ? "-" : truncate(printable(text), CELL_CODE_POINTS_MAX);
}

/** The two largest units, as kubectl writes them: 5s, 3m20s, 2h5m, 4d3h. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${seconds % 60}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h${minutes % 60}m`;
  return `${Math.floor(hours / 24)}d${hours % 24}h`;
}

/** Columns of equal width, two spaces apart, without spaces at the end of a line. */
export function renderTable(rows: readonly Row[]): string {
  const widths = widthsOf(rows);
  return rows.map((row) => renderRow(row, widths)).join("");
}

export function widthsOf(rows: readonly Row[]): readonly number[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, text] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, text.length);
  }
  return widths;
}

export function renderRow(row: Row, widths: readonly number[]): string {
  const padded = row.map((text, i) => text.padEnd(widths[i] ?? 0));
  return `${padded.join("  ").trimEnd()}\n`;
}
