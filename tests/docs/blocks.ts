/** A command of a page, and what the page shows of it. */
export interface DocCommand {
  /** Of the page, from 1. */
  readonly line: number;
  /** May span lines: each but the last ends in a backslash, or each but the first begins with "> ". */
  readonly text: string;
  readonly exitStatus: number;
  /** Undefined where the page does not show output at all (`sh`). */
  readonly output: readonly string[] | undefined;
}

/** A block that the page marks as runnable. */
export interface DocBlock {
  readonly line: number;
  readonly commands: readonly DocCommand[];
}

const MARKER = "<!-- runnable -->";
/** What a misspelt marker looks like: without this it would switch its block off in silence. */
const LIKE_MARKER = /^\s*<!--.*runn?able/i;
const PROMPT = "$ ";
const CONTINUED = "> ";
const FENCE = /^```(console|sh)$/;
/** Written behind a command that is meant to fail. */
const EXIT_STATUS = /#\s*exit status (\d+)$/;

/**
 * The blocks that follow a marker. In `console` blocks a line that begins with "$ " is a command and the lines after it
 * are its output; in `sh` blocks every line is a command, and its output is not shown. Throws where a marker has no
 * such block after it.
 */
export function runnableBlocks(page: string, text: string): readonly DocBlock[] {
  const lines = text.split("\n");
  const blocks: DocBlock[] = [];
  for (const [i, line] of lines.entries()) {
    const fault = (problem: string) => new Error(`${page}:${i + 1}: ${problem}`);
    if (line.trim() !== MARKER) {
      if (LIKE_MARKER.test(line)) throw fault(`a marker is a line of its own, exactly ${MARKER}`);
      continue;
    }
    // Formatters put an empty line between a comment and what follows it.
    const fence = lines[i + 1] === "" ? i + 2 : i + 1;
    const kind = FENCE.exec(lines[fence] ?? "")?.[1];
    const end = lines.indexOf("```", fence + 1);
    if (kind === undefined || end < 0) throw fault(`no console or sh block follows ${MARKER}`);
    const body = lines.slice(fence + 1, end);
    const commands = kind === "console" ? session(body, fence + 2) : script(body, fence + 2);
    if (commands === undefined) throw fault('a console block begins with "$ "');
    blocks.push({ line: i + 1, commands });
  }
  return blocks;
}

/** Undefined where something stands before the first prompt. */
function session(body: readonly string[], firstLine: number): readonly DocCommand[] | undefined {
  const commands: DocCommand[] = [];
  for (let i = 0; i < body.length; ) {
    const start = i;
    if (!body[i]?.startsWith(PROMPT)) return undefined;
    const [text, afterCommand] = commandAt(body, i);
    i = afterCommand;
    while (i < body.length && !body[i]?.startsWith(PROMPT)) i++;
    const typed = text.slice(PROMPT.length).replaceAll(`\n${CONTINUED}`, "\n");
    commands.push({ ...parsed(typed, firstLine + start), output: body.slice(afterCommand, i) });
  }
  return commands;
}

function script(body: readonly string[], firstLine: number): readonly DocCommand[] {
  const commands: DocCommand[] = [];
  for (let i = 0; i < body.length; ) {
    const [text, next] = commandAt(body, i);
    commands.push({ ...parsed(text, firstLine + i), output: undefined });
    i = next;
  }
  return commands;
}

/** The command that begins here with the lines that continue it, and where the next line stands. */
function commandAt(body: readonly string[], start: number): [text: string, next: number] {
  let end = start;
  while (body[end]?.endsWith("\\") || body[end + 1]?.startsWith(CONTINUED)) end++;
  return [body.slice(start, end + 1).join("\n"), end + 1];
}

function parsed(text: string, line: number): Omit<DocCommand, "output"> {
  return { line, text, exitStatus: Number(EXIT_STATUS.exec(text)?.[1] ?? 0) };
}
