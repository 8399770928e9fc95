/** One curve: what a query of a panel answered for one set of labels. */
export interface Series {
  readonly legend: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly (readonly [seconds: number, value: number])[];
}

const PALETTE = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#b877d9", "#8ab8ff", "#fa6400", "#37872d", "#c4162a"];
const NAMED: Readonly<Record<string, string>> = {
  green: "#73bf69",
  orange: "#ff9830",
  red: "#f2495c",
  text: "#8e8ea0",
};

export function colorOf(color: number | string): string {
  return typeof color === "string" ? (NAMED[color] ?? color) : (PALETTE[color % PALETTE.length] ?? "white");
}

/** Short names of GPUs: a UUID is longer than the panel is wide. */
export function legendOf({ legend, labels }: Series): string {
  const text = legend.replace(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? "");
  return text.replace(/(GPU-[0-9a-f]{4})[0-9a-f-]{28,}/g, "$1…");
}

export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`).replace(/(GPU-[0-9a-f]{8})-[0-9a-f-]{27}/g, "$1…");

const UNITS: Readonly<Record<string, (value: number) => string>> = {
  percentunit: (value) => `${plain(value * 100)}%`,
  bytes: (value) => `${plain(value / 2 ** 20)} MiB`,
  celsius: (value) => `${plain(value)} °C`,
  watt: (value) => `${plain(value)} W`,
  s: (value) => (value < 1 ? `${plain(value * 1_000)} ms` : `${plain(value)} s`),
  reqps: (value) => `${plain(value)}/s`,
  cps: (value) => `${plain(value)}/s`,
};

export function numberText(value: number, unit: string | undefined): string {
  return (UNITS[unit ?? ""] ?? plain)(value);
}

const plain = (value: number): string => String(Number(value.toPrecision(3)));
