/** Puts a table between two marks of a Markdown text, and says how the formatter would have the whole. */
export function withTable(path: string, text: string, marks: readonly [string, string], table: string): string {
  const [begin, end] = marks;
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${path}: the marks of the table are missing`);
  const formatted = Bun.spawnSync(["node_modules/.bin/biome", "format", `--stdin-file-path=${path}`], {
    stdin: new TextEncoder().encode(`${before}${begin}\n\n${table}\n\n${end}${after}`),
    stderr: "pipe",
  });
  if (!formatted.success) throw new Error(formatted.stderr.toString());
  return formatted.stdout.toString();
}
