import { TARGET_VARIABLE } from "../../client/target.ts";
import type { FlagTable } from "../../server/flags-kinds.ts";
import type { Environment } from "../../server/flags-parse.ts";
import type { Command, Completes } from "../io.ts";
import { FLAG_WORD, findFlag, type Line, type NamedFlag, readLine } from "./line.ts";

/** What the shell may put in the place of the word under the cursor. */
export interface Candidate {
  readonly text: string;
  /** One line about it; "" for none. */
  readonly help: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** The shell may offer the names of files: the word is a value of which nothing is known. */
  readonly files: boolean;
}

/** What only the server knows; none where it cannot be asked. `target`: as it was written, "" for the default. */
export interface NameSource {
  gpus(target: string): Promise<readonly string[]>;
  providers(target: string): Promise<readonly string[]>;
  /** Types of conditions of the GPU of this name; undefined for all GPUs. */
  conditions(target: string, gpu: string | undefined): Promise<readonly string[]>;
}

export interface CompletionContext {
  readonly commands: readonly Command[];
  readonly names: NameSource;
  readonly env: Environment;
}

/** The one that runs where the first word is a flag. */
const DEFAULT_COMMAND = "serve";
const HELP = {
  name: "help",
  summary: "show the help of a command",
  flags: {},
  completes: { kind: "commands" },
} as const;

/** Completes the last of the words that stand after the program's name; it may be empty. */
export async function complete(words: readonly string[], context: CompletionContext): Promise<Completion> {
  const [first = ""] = words;
  const current = words.at(-1) ?? "";
  const isNamed = !first.startsWith("-");
  if (isNamed && words.length < 2) return matching(commandNames(context.commands), current);
  const name = isNamed ? first : DEFAULT_COMMAND;
  const command = [...context.commands, HELP].find((candidate) => candidate.name === name);
  if (command === undefined) return matching([], current);
  const line = readLine(command.flags, words.slice(isNamed ? 1 : 0, -1));
  const place: Place = { command, line, context };
  if (line.pending !== undefined) return await valuesOf(line.pending, { prefix: "", value: current }, place);
  if (line.isOpen && current.startsWith("-")) return await completeFlag(current, place);
  return matching(await argumentsOf(command.completes, line, context), current);
}

/** Where the word under the cursor stands. */
interface Place {
  readonly command: Pick<Command, "flags" | "completes" | "completesValues">;
  readonly line: Line;
  readonly context: CompletionContext;
}

/** The name of a flag, or its value after "=". */
async function completeFlag(current: string, place: Place): Promise<Completion> {
  const table: FlagTable = place.command.flags;
  const [, written = "", value] = FLAG_WORD.exec(current) ?? [];
  if (value !== undefined) {
    const flag = findFlag(table, written);
    if (flag === undefined) return matching([], current);
    return await valuesOf(flag, { prefix: current.slice(0, current.length - value.length), value }, place);
  }
  const names = Object.entries(table)
    .filter(([name, flag]) => flag.kind === "list" || !place.line.given.has(name))
    .map(([name, { help }]) => ({ text: `--${name}`, help }));
  return matching(names, current);
}

/** `prefix` is what stands before the value in the same word. */
async function valuesOf(
  [name, flag]: NamedFlag,
  { prefix, value }: { readonly prefix: string; readonly value: string },
  { command, line, context }: Place,
): Promise<Completion> {
  const named = command.completesValues?.[name];
  const texts = flag.kind === "enum" ? flag.values : flag.kind === "bool" ? ["true", "false"] : [];
  const known = named === undefined ? unused(texts, []) : await argumentsOf(named, line, context);
  const all = known.map(({ text, help }) => ({ text: prefix + text, help }));
  const files = named === undefined && (flag.kind === "string" || flag.kind === "list");
  return { ...matching(all, prefix + value), files };
}

function commandNames(commands: readonly Command[]): readonly Candidate[] {
  return [...commands, HELP].map(({ name, summary }) => ({ text: name, help: summary }));
}

async function argumentsOf(
  completes: Completes | undefined,
  line: Line,
  context: CompletionContext,
): Promise<readonly Candidate[]> {
  const { names, env, commands } = context;
  const target = line.given.get("target") ?? env[TARGET_VARIABLE] ?? "";
  const [first, ...rest] = line.positionals;
  switch (completes?.kind) {
    case undefined:
      return [];
    case "gpus":
      return first === undefined || completes.many ? unused(await names.gpus(target), line.positionals) : [];
    case "conditions":
      return unused(await names.conditions(target, first), []);
    case "providers":
      return first === undefined ? unused(await names.providers(target), []) : [];
    case "commands":
      return first === undefined ? commandNames(commands) : [];
    case "words": {
      if (first === undefined) return unused(Object.keys(completes.words), []);
      const next = Object.hasOwn(completes.words, first) ? completes.words[first] : undefined;
      return await argumentsOf(next, { ...line, positionals: rest }, context);
    }
  }
}

function unused(texts: readonly string[], used: readonly string[]): readonly Candidate[] {
  return texts.filter((text) => text !== "" && !used.includes(text)).map((text) => ({ text, help: "" }));
}

function matching(candidates: readonly Candidate[], start: string): Completion {
  return { candidates: candidates.filter(({ text }) => text.startsWith(start)), files: false };
}
