import { type Flag, type FlagTable, formatDefault, variableOf } from "./flags-kinds.ts";

/** Where what a flag does begins; a longer flag pushes it to the next line. */
const HELP_COLUMN = 34;

/** The flags by group, each with its help, its default and its variable. */
export function renderFlags(table: FlagTable): string {
  const groups = new Map<string, string[]>();
  for (const [name, flag] of Object.entries(table)) {
    const lines = groups.get(flag.group) ?? [];
    lines.push(renderFlag(name, flag));
    groups.set(flag.group, lines);
  }
  return [...groups].map(([group, lines]) => `${group}:\n${lines.join("\n")}\n`).join("\n");
}

function renderFlag(name: string, flag: Flag): string {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const value = placeholderOf(flag);
  const head = `  ${short}--${name}${value === "" ? "" : ` ${value}`}`;
  const gap = head.length < HELP_COLUMN - 1 ? head.padEnd(HELP_COLUMN) : `${head}\n${" ".repeat(HELP_COLUMN)}`;
  const variable = variableOf(name, flag);
  const notes = [defaultNote(flag), variable === "" ? "" : `$${variable}`].filter((note) => note !== "");
  const tail = notes.length === 0 ? "" : `\n${" ".repeat(HELP_COLUMN)}(${notes.join(", ")})`;
  return `${gap}${flag.help}${tail}`;
}

function defaultNote(flag: Flag): string {
  if (flag.kind === "bool" && !flag.default) return "";
  const text = formatDefault(flag);
  return text === "" ? "" : `default ${text}`;
}

function placeholderOf(flag: Flag): string {
  if (flag.placeholder !== undefined) return flag.placeholder;
  switch (flag.kind) {
    case "bool":
      return "";
    case "enum":
      return flag.values.join("|");
    case "duration":
      return "TIME";
    case "port":
      return "PORT";
    case "int":
      return "N";
    case "string":
    case "list":
      return "TEXT";
  }
}
