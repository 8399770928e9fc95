/** A family of series in Prometheus's text format, version 0.0.4. */
export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "summary" | "histogram";
  readonly help: string;
  readonly series: readonly Series[];
}

export interface Series {
  /** `_sum` and `_count` of a summary or a histogram, `_bucket` of a histogram; "" for all others. */
  readonly suffix: "" | "_bucket" | "_sum" | "_count";
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly value: number;
}

export function expositionOf(families: readonly Family[]): string {
  return families.map(familyText).join("\n");
}

function familyText({ name, type, help, series }: Family): string {
  const lines = series.map(({ suffix, labels, value }) => `${name}${suffix}${labelText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function labelText(labels: Series["labels"]): string {
  if (labels.length === 0) return "";
  return `{${labels.map(([name, value]) => `${name}="${escaped(value)}"`).join(",")}}`;
}

function escaped(value: string): string {
  return value.replace(/["\\\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`));
}
