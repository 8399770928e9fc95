/** What differs from run to run, and stands for itself on both sides. */
const VARIES: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>"],
  // Microseconds since 1970, until the year 2286.
  [/\b1\d{15}\b/g, "<version>"],
  [/(?<![.\d])\d+\.\d+\.\d+(?![.\d])/g, "<program version>"],
  [/\b(\d+(\.\d+)?(ms|[smhd]))+\b/g, "<duration>"],
  [/\b(uid[: ]|pid |"uid": |"pid": )\d+/g, "$1<id>"],
  // Columns are as wide as what stands in them.
  [/(?<=\S)[ \t]+/g, " "],
  [/[ \t]+$/gm, ""],
];

/** Stands for any text within a line, or alone on a line for any number of lines. */
const ELLIPSIS = "…";

/** What of the shown output is not what came; undefined where all of it is. */
export function difference(shown: readonly string[], came: readonly string[]): string | undefined {
  const wanted = shown.map(normalised);
  const text = came.map((line) => `${normalised(line)}\n`).join("");
  if (expression(wanted, "$").test(text)) return undefined;
  let fits = wanted.length;
  while (fits > 0 && !expression(wanted.slice(0, fits), "").test(text)) fits--;
  const place = fits < shown.length ? `no line for: ${shown[fits]}` : "there is more than is shown";
  return `${place}\n  came:\n${came.map((line) => `    ${line}`).join("\n")}`;
}

function normalised(line: string): string {
  return VARIES.reduce((text, [pattern, name]) => text.replace(pattern, name), line);
}

function expression(lines: readonly string[], end: string): RegExp {
  const parts = lines.map((line) =>
    line === ELLIPSIS ? "(?:[^\\n]*\\n)*?" : `${line.split(ELLIPSIS).map(literal).join("[^\\n]*?")}\\n`,
  );
  return new RegExp(`^${parts.join("")}${end}`, "u");
}

function literal(text: string): string {
  return text.replace(/[\\^$.|?+*()[\]{}/]/g, "\\$&");
}
