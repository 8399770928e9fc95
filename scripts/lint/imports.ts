import { maskWords } from "./mask.ts";

/** One `import`, `export ... from` or `import()`, type-only ones included: a layer is crossed by a type as well. */
export interface ImportFound {
  readonly specifier: string;
  readonly line: number;
}

export function findImports(source: string): ImportFound[] {
  const masked = maskWords(source);
  const found: ImportFound[] = [];
  for (const match of source.matchAll(/\b(?:from\s+|import\s*\(?\s*)(["'])([^"'\n]+)\1/g)) {
    // The keyword stands in code, not in a comment or a string.
    if (masked[match.index] !== " ") found.push({ specifier: match[2] ?? "", line: lineOf(source, match.index) });
  }
  return found;
}

/** Line of a position, counted from 1. */
export function lineOf(source: string, position: number): number {
  let line = 1;
  for (let i = source.indexOf("\n"); i !== -1 && i < position; i = source.indexOf("\n", i + 1)) line += 1;
  return line;
}
