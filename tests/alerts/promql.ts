/** As much of PromQL as it takes to see what a query asks for. */
export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

export interface Matcher {
  readonly label: string;
  readonly op: "=" | "!=" | "=~" | "!~";
  readonly value: string;
}

const STRING = /"(?:[^"\\]|\\.)*"/;
const WORD = /[a-zA-Z_][\w:]*/;
/** What begins a list of labels. */
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const KEYWORDS = new Set(["and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring"]);
const TOKEN = new RegExp(`${STRING.source}|\\[[^\\]]*\\]|\\b\\d[\\w.]*|${WORD.source}|[({]`, "g");

/** Every metric that a query reads, with the labels it chooses by. */
export function selectorsOf(expr: string): Selector[] {
  const text = expr.replace(GROUPING, " ");
  const found: Selector[] = [];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (!/^[a-zA-Z_]/.test(token) || KEYWORDS.has(token) || inBraces(text, index)) continue;
    const rest = text.slice(index + token.length).trimStart();
    // A function, or an aggregation.
    if (rest.startsWith("(")) continue;
    found.push({ metric: token, matchers: rest.startsWith("{") ? matchersOf(rest) : [] });
  }
  return found;
}

/** The labels by which a query groups, joins or drops. */
export function groupingLabelsOf(expr: string): string[] {
  return [...expr.matchAll(GROUPING)]
    .flatMap(([, list = ""]) => list.split(",").map((name) => name.trim()))
    .filter(Boolean);
}

function inBraces(text: string, index: number): boolean {
  const before = text.slice(0, index).replace(new RegExp(STRING.source, "g"), "");
  return before.lastIndexOf("{") > before.lastIndexOf("}");
}

function matchersOf(text: string): Matcher[] {
  const matchers: Matcher[] = [];
  const pattern = new RegExp(`\\s*(${WORD.source})\\s*(=~|!~|!=|=)\\s*(${STRING.source})\\s*,?`, "y");
  pattern.lastIndex = 1;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const [, label = "", op = "=", value = ""] = match;
    matchers.push({ label, op: op as Matcher["op"], value: JSON.parse(value) as string });
  }
  return matchers;
}

export function selectorText({ metric, matchers }: Selector): string {
  return `${metric}{${matchers.map(({ label, op, value }) => `${label}${op}${JSON.stringify(value)}`).join(",")}}`;
}
