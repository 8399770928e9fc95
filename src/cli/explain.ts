import { allXids, xidOf } from "../provider/nvml/xids/catalogue.ts";
import type { XidEntry } from "../provider/nvml/xids/entry.ts";
import { type BoolFlag, type EnumFlag, quoted, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { HELP_FLAG } from "./client-flags.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_OK } from "./io.ts";
import { renderXid, renderXidTable } from "./render/explain-text.ts";

const group = "Flags";
const ALL_FLAG: BoolFlag = { kind: "bool", default: false, help: "every Xid of the catalogue", group, variable: "" };
/** "" stands for "not given": what reads best depends on how many there are. */
const OUTPUT: EnumFlag<"" | "text" | "table" | "json"> = {
  kind: "enum",
  default: "",
  values: ["text", "table", "json"],
  help: "form of the output",
  group,
  variable: "",
  short: "o",
  shownDefault: "text, and table with --all",
};
const FLAGS = { all: ALL_FLAG, output: OUTPUT, help: HELP_FLAG } as const;

export const explainCommand: Command = {
  name: "explain",
  usage: "XID... | --all",
  summary: "tell what an Xid means for a GPU and what to do; needs no server",
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(explainCommand, io);
  const entries = values.all ? allOf(positionals) : namedBy(positionals);
  switch (values.output || (values.all ? "table" : "text")) {
    case "text":
      await io.print(entries.map(renderXid).join("\n"));
      break;
    case "table":
      await io.print(renderXidTable(entries));
      break;
    case "json":
      await io.print(renderJson(entries));
      break;
  }
  return EXIT_OK;
}

function allOf([extra]: readonly string[]): readonly XidEntry[] {
  if (extra !== undefined) throw new UsageError(`explain --all: unexpected argument ${quoted(extra)}`);
  return allXids();
}

/** `explain xid 79` is what the log line suggests, so the word is taken too. */
function namedBy(positionals: readonly string[]): readonly XidEntry[] {
  const codes = positionals[0]?.toLowerCase() === "xid" ? positionals.slice(1) : positionals;
  if (codes.length === 0) throw new UsageError('explain: say which Xid, such as "explain 79", or --all');
  return codes.map(entryNamed);
}

function entryNamed(text: string): XidEntry {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`explain: ${quoted(text)} is not an Xid, which is a number`);
  const entry = xidOf(Number(text));
  if (entry.bucket !== "UNKNOWN") return entry;
  const [first, last] = [allXids()[0], allXids().at(-1)];
  throw new UsageError(`explain: Xid ${entry.code} is not in the catalogue, which has ${first?.code} to ${last?.code}`);
}

/** One code gives an object, anything else a list. Every field is always there. */
function renderJson(entries: readonly XidEntry[]): string {
  const shown = entries.map((entry) => ({ ...entry, fatal: entry.fatal ?? null }));
  return `${JSON.stringify(shown.length === 1 ? shown[0] : shown, undefined, 2)}\n`;
}
