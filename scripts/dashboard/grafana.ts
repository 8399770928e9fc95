import { GREEN, type Panel, type Query, type Section } from "./panel.ts";

/** The columns of Grafana's grid. */
const COLUMNS = 24;
const PANEL_HEIGHT = 8;
/** That of Grafana 11; newer ones migrate it. */
const SCHEMA_VERSION = 39;

const DATASOURCE = { type: "prometheus", uid: "$" + "{datasource}" };

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

/** A dashboard as Grafana imports it: it asks for the data source, and knows no installation. */
export function grafanaDashboard(title: string, uid: string, sections: readonly Section[]): object {
  return {
    uid,
    title,
    description: "GPU health on every node, as device-api-server tells it. Written by scripts/dashboard.ts.",
    tags: ["gpu", "device-api-server"],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-6h", to: "now" },
    timezone: "",
    annotations: { list: [] },
    links: [],
    templating: { list: variables() },
    panels: sections.flatMap(placed()),
  };
}

function variables(): object[] {
  const all = { text: "All", value: "$__all" };
  const query = "label_values(device_api_server_info, node)";
  return [
    { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", refresh: 1 },
    {
      ...{ name: "node", label: "Node", type: "query", datasource: DATASOURCE },
      query: { query, refId: "node" },
      ...{ refresh: 2, sort: 1, multi: true, includeAll: true, allValue: ".*", current: all },
    },
  ];
}

/** Panels in rows from the left, one section below the other. */
function placed(): (section: Section) => object[] {
  let id = 0;
  let y = 0;
  return ({ title, panels }) => {
    const placedPanels: object[] = [
      { id: ++id, type: "row", title, collapsed: false, gridPos: { x: 0, y, w: COLUMNS, h: 1 }, panels: [] },
    ];
    y += 1;
    let x = 0;
    let rowHeight = 0;
    for (const panel of panels) {
      if (x + panel.width > COLUMNS) {
        y += rowHeight;
        x = 0;
        rowHeight = 0;
      }
      const height = panel.height ?? PANEL_HEIGHT;
      placedPanels.push(grafanaPanel(panel, ++id, { x, y, w: panel.width, h: height }));
      x += panel.width;
      rowHeight = Math.max(rowHeight, height);
    }
    y += rowHeight;
    return placedPanels;
  };
}

function grafanaPanel(panel: Panel, id: number, gridPos: Place): object {
  const { title, description, kind } = panel;
  const steps = [{ color: GREEN, value: null }, ...(panel.steps ?? []).map(([value, color]) => ({ color, value }))];
  return {
    ...{ id, type: kind, title, description, gridPos, datasource: DATASOURCE },
    targets: panel.queries.map((query, index) => target(query, index, kind)),
    fieldConfig: {
      defaults: {
        unit: panel.unit ?? "none",
        // Several steps are limits: a curve keeps its own colour, and the limit is drawn as a line.
        color: { mode: kind === "timeseries" ? "palette-classic" : "thresholds" },
        thresholds: { mode: "absolute", steps },
        mappings: mappings(panel.words),
        custom: customOf(panel),
      },
      overrides: [],
    },
    options: OPTIONS[kind],
    ...(panel.columns === undefined ? {} : { transformations: [onlyColumns(panel.columns)] }),
  };
}

function target({ expr, legend }: Query, index: number, kind: Panel["kind"]): object {
  const instant = kind === "stat" || kind === "table";
  return {
    refId: String.fromCharCode("A".charCodeAt(0) + index),
    ...{ datasource: DATASOURCE, editorMode: "code", expr, legendFormat: legend },
    ...{ instant, range: !instant, format: kind === "table" ? "table" : "time_series" },
  };
}

function mappings(words: Panel["words"]): object[] {
  if (words === undefined) return [];
  const entries = Object.entries(words).map(([value, [text, color]], index) => [value, { text, color, index }]);
  return [{ type: "value", options: Object.fromEntries(entries) }];
}

function customOf({ kind, steps, stacked }: Panel): object {
  if (kind !== "timeseries") return {};
  return {
    ...{ drawStyle: "line", lineWidth: 1, fillOpacity: stacked ? 30 : 5, showPoints: "never" },
    stacking: { mode: stacked ? "normal" : "none", group: "A" },
    thresholdsStyle: { mode: steps === undefined ? "off" : "line" },
  };
}

const LEGEND = { showLegend: true, displayMode: "list", placement: "bottom", calcs: [] };

const OPTIONS: Readonly<Record<Panel["kind"], object>> = {
  timeseries: { legend: LEGEND, tooltip: { mode: "multi", sort: "desc" } },
  "state-timeline": {
    ...{ mergeValues: true, showValue: "auto", alignValue: "left", rowHeight: 0.9 },
    ...{ legend: LEGEND, tooltip: { mode: "single", sort: "none" } },
  },
  stat: {
    reduceOptions: { values: false, calcs: ["lastNotNull"], fields: "" },
    ...{ orientation: "auto", textMode: "auto", colorMode: "value", graphMode: "none", justifyMode: "auto" },
  },
  table: {
    showHeader: true,
    cellHeight: "sm",
    footer: { show: false, reducer: ["sum"], countRows: false, fields: [] },
  },
};

/** A table shows labels; the time of an instant query says nothing. */
function onlyColumns(columns: readonly string[]): object {
  const indexByName = Object.fromEntries(columns.map((name, index) => [name, index]));
  const excludeByName = Object.fromEntries(
    ["Time", "Value"].filter((name) => !columns.includes(name)).map((name) => [name, true]),
  );
  return { id: "organize", options: { excludeByName, indexByName, renameByName: {} } };
}
