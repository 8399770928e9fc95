import type { Flag, FlagTable } from "../../server/flags-kinds.ts";

export type NamedFlag = readonly [name: string, flag: Flag];

/** The words of an unfinished command line, without the one under the cursor. */
export interface Line {
  /** The flag whose value the next word is. */
  readonly pending: NamedFlag | undefined;
  /** By the flag's full name. */
  readonly given: ReadonlyMap<string, string>;
  readonly positionals: readonly string[];
  /** No "--" came: flags may still follow. */
  readonly isOpen: boolean;
}

export const FLAG_WORD = /^--?([^-=][^=]*)(?:=([\s\S]*))?$/;

/** By the rules of parseFlags; what is wrong is passed over. */
export function readLine(table: FlagTable, words: readonly string[]): Line {
  const given = new Map<string, string>();
  const positionals: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (word === "--") {
      positionals.push(...words.slice(i + 1));
      return { pending: undefined, given, positionals, isOpen: false };
    }
    const match = FLAG_WORD.exec(word);
    if (match === null) {
      positionals.push(word);
      continue;
    }
    const [, written = "", inline] = match;
    const found = findFlag(table, written);
    if (found === undefined) continue;
    const [name, flag] = found;
    if (inline !== undefined || flag.kind === "bool") given.set(name, inline ?? "true");
    else if (i + 1 === words.length) return { pending: found, given, positionals, isOpen: true };
    else given.set(name, words[++i] ?? "");
  }
  return { pending: undefined, given, positionals, isOpen: true };
}

export function findFlag(table: FlagTable, written: string): NamedFlag | undefined {
  return Object.entries(table).find(([name, flag]) => name === written || flag.short === written);
}
