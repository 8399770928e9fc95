import { type EnumFlag, quoted, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { HELP_FLAG } from "./client-flags.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_OK } from "./io.ts";

const OUTPUT: EnumFlag<"text" | "json"> = {
  kind: "enum",
  default: "text",
  values: ["text", "json"],
  help: "form of the output",
  group: "Flags",
  variable: "",
  short: "o",
};
const FLAGS = { output: OUTPUT, help: HELP_FLAG } as const;

export const versionCommand: Command = {
  name: "version",
  usage: "",
  summary: "show the version of this program",
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(versionCommand, io);
  if (positionals[0] !== undefined) throw new UsageError(`version: unexpected argument ${quoted(positionals[0])}`);
  return await printVersion(values.output, io);
}

export async function printVersion(form: "text" | "json", io: CommandIo): Promise<number> {
  const { version } = io;
  const bun = Bun.version;
  await io.print(
    form === "json" ? `${JSON.stringify({ version, bun })}\n` : `device-api-server ${version} (bun ${bun})\n`,
  );
  return EXIT_OK;
}
