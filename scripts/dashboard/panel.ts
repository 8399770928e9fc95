/** A panel of the dashboard, as far as it differs from others. */
export interface Panel {
  readonly title: string;
  readonly description: string;
  readonly kind: "stat" | "timeseries" | "state-timeline" | "table";
  /** Of the 24 columns. */
  readonly width: number;
  /** In rows of 30 pixels; 8 where it is left out. */
  readonly height?: number;
  readonly queries: readonly Query[];
  /** A unit of Grafana; plain numbers where it is left out. */
  readonly unit?: string;
  /** Values from which another colour is shown, rising; below the first it is green. */
  readonly steps?: readonly (readonly [from: number, color: string])[];
  /** What a value means, with its colour. */
  readonly words?: Readonly<Record<number, readonly [text: string, color: string]>>;
  /** Labels that a table shows, in this order. */
  readonly columns?: readonly string[];
  readonly stacked?: boolean;
}

export interface Query {
  readonly expr: string;
  /** `{{label}}` stands for a label's value. */
  readonly legend: string;
}

export interface Section {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const PREFIX = "device_api_server_";
const NODES = `max by (job, instance, node) (${PREFIX}info{node=~"$node"})`;

/** The chosen nodes only, and their names as a label: the server's own word, for a target need not have it. */
export function ofNodes(series: string): string {
  return `${series} * on (job, instance) group_left (node) ${NODES}`;
}

/** The same for a metric of the server; the prefix is left out. */
export const own = (metric: string): string => ofNodes(PREFIX + metric);

/** What a counter rises by in a second. */
export const rate = (counter: string): string => ofNodes(`rate(${PREFIX}${counter}[$__rate_interval])`);

/** What a counter has risen by in the last quarter of an hour, in whole numbers. */
export function risen(counter: string): string {
  return ofNodes(`(${counter} - min_over_time(${counter}[15m]))`);
}

export const by = (labels: string, series: string, aggregation = "sum"): string =>
  `${aggregation} by (${labels}) (${series})`;

export const GREEN = "green";
export const ORANGE = "orange";
export const RED = "red";
export const GREY = "text";
