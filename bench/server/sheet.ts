/** The figures of a run, and how they are shown. */
import { medianOf } from "../quantiles.ts";
import type { Figure, Scenario } from "./scenarios.ts";

export interface Row {
  readonly section: string;
  readonly what: string;
  /** One list for each server, in the order of the repetitions. */
  readonly values: readonly [number[], number[]];
  readonly aim: string;
}

export interface Sheet {
  readonly rows: readonly Row[];
  add(scenario: Scenario, server: 0 | 1, figures: readonly Figure[]): void;
}

export function createSheet(): Sheet {
  const rows = new Map<string, Row>();
  return {
    get rows() {
      return [...rows.values()];
    },
    add({ section, subject }, server, figures) {
      for (const figure of figures) {
        const what = subject === "" ? figure.what : `${subject}: ${figure.what}`;
        const key = `${section}\n${what}`;
        const row = rows.get(key) ?? { section, what, values: [[], []], aim: figure.aim ?? "" };
        rows.set(key, row);
        row.values[server].push(figure.value);
      }
    },
  };
}

export function ratioOf({ values: [ours, other] }: Row): number {
  return medianOf(ours) / medianOf(other);
}

/** One table for each section, aligned; as Markdown, or for a terminal. */
export function render(rows: readonly Row[], labels: readonly [string, string], markdown: boolean): string {
  const sections = [...new Set(rows.map(({ section }) => section))];
  return sections
    .map((section) => {
      const lines = rows.filter((row) => row.section === section).map(cells);
      const head = ["what", ...labels, "ratio", "aim"];
      return `${markdown ? "### " : ""}${section}\n\n${table([head, ...lines], markdown)}\n`;
    })
    .join("\n");
}

function cells(row: Row): string[] {
  const [ours, other] = row.values;
  return [row.what, shown(medianOf(ours)), shown(medianOf(other)), ratio(ratioOf(row)), row.aim];
}

function table(lines: readonly (readonly string[])[], markdown: boolean): string {
  const [head = [], ...body] = lines;
  const widths = head.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length), 3));
  const isNumber = (i: number) => i >= 1 && i <= 3;
  const aligned = (line: readonly string[]) =>
    line.map((cell, i) => (isNumber(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)));
  if (!markdown) return lines.map((line) => aligned(line).join("  ").trimEnd()).join("\n");
  const rule = widths.map((width, i) => (isNumber(i) ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  return [aligned(head), rule, ...body.map(aligned)].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

/** Three digits that count, or all before the point. */
function shown(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  const digits = Math.min(6, Math.max(0, 2 - magnitude));
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function ratio(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)}×` : "-";
}
