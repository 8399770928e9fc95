import type { Panel, Section } from "../dashboard/panel.ts";
import { chart, timeline } from "./charts.ts";
import { colorOf, escaped, legendOf, numberText, type Series } from "./series.ts";

/** A panel with what Prometheus answered to its queries. */
export type PanelData = (panel: Panel) => readonly Series[];

const STYLE = `
  body { margin: 0; padding: 12px; background: #111217; color: #ccccdc; font: 12px sans-serif; width: 1576px; }
  h2 { font-size: 15px; margin: 14px 4px 6px; }
  .grid { display: grid; grid-template-columns: repeat(24, 1fr); grid-auto-rows: 26px; gap: 6px; }
  .panel { background: #181b1f; border: 1px solid #2c2f36; border-radius: 3px; padding: 6px 8px; overflow: hidden;
    display: flex; flex-direction: column; }
  .title { font-weight: 600; margin-bottom: 4px; }
  .stat { font-size: 34px; flex: 1; display: flex; align-items: center; justify-content: center; }
  .legend { display: flex; flex-wrap: wrap; gap: 0 12px; max-height: 32px; overflow: hidden; font-size: 11px; }
  .legend i { display: inline-block; width: 10px; height: 3px; margin-right: 4px; vertical-align: middle; }
  table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: 2px 6px;
    border-bottom: 1px solid #2c2f36; white-space: nowrap; } svg { flex: 1; min-height: 0; display: block; }
  text { fill: #8e8ea0; font: 10px sans-serif; }`;

/** The dashboard as a page: the same panels, queries and places, without Grafana. */
export function page(sections: readonly Section[], data: PanelData): string {
  const body = sections.map(({ title, panels }) => {
    const drawn = panels.map((panel) => panelHtml(panel, data(panel)));
    return `<h2>${escaped(title)}</h2><div class="grid">${drawn.join("")}</div>`;
  });
  return `<!doctype html><meta charset="utf-8"><style>${STYLE}</style>${body.join("")}`;
}

const BODIES: Readonly<Record<Panel["kind"], (panel: Panel, series: readonly Series[]) => string>> = {
  stat,
  table,
  timeseries: (panel, series) => chart(panel, series) + legend(series),
  "state-timeline": timeline,
};

function panelHtml(panel: Panel, series: readonly Series[]): string {
  const place = `grid-column: span ${panel.width}; grid-row: span ${panel.height ?? 8}`;
  const content = series.length === 0 ? '<div class="stat">no data</div>' : BODIES[panel.kind](panel, series);
  return `<div class="panel" style="${place}"><div class="title">${escaped(panel.title)}</div>${content}</div>`;
}

function stat({ unit, steps = [] }: Panel, series: readonly Series[]): string {
  const values = series.map(({ points }) => points.at(-1)?.[1] ?? Number.NaN);
  const value = values.reduce((sum, each) => sum + each, 0);
  const color = steps.filter(([from]) => value >= from).at(-1)?.[1] ?? "green";
  return `<div class="stat" style="color: ${colorOf(color)}">${numberText(value, unit)}</div>`;
}

function table({ columns = [], unit }: Panel, series: readonly Series[]): string {
  const cell = ({ labels, points }: Series, column: string): string =>
    column === "Value" ? numberText(points.at(-1)?.[1] ?? 0, unit) : escaped(labels[column] ?? "");
  const head = columns.map((column) => `<th>${escaped(column)}</th>`).join("");
  const rows = series.map((each) => `<tr>${columns.map((name) => `<td>${cell(each, name)}</td>`).join("")}</tr>`);
  return `<table><tr>${head}</tr>${rows.join("")}</table>`;
}

function legend(series: readonly Series[]): string {
  const items = series.map(
    (each, index) => `<span><i style="background: ${colorOf(index)}"></i>${escaped(legendOf(each))}</span>`,
  );
  return `<div class="legend">${items.join("")}</div>`;
}
