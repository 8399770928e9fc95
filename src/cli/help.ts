import { renderFlags } from "../server/flags-help.ts";
import { type Command, type CommandIo, EXIT_OK } from "./io.ts";

export const PROGRAM = "device-api-server";

export const EXIT_STATUS_HELP = `Exit status:
  0    done
  1    failed, or get --check found a GPU that is not Ready
  2    a flag, a variable or an argument is unusable
  3    the server cannot be reached
  130  ended at once by a second SIGINT (143: by a second SIGTERM)
`;

/** Help of one command. */
export async function commandHelp(command: Command, io: CommandIo): Promise<number> {
  const usage = [PROGRAM, command.name, "[flags]", command.usage].filter((part) => part !== "").join(" ");
  await io.print(
    `${sentence(command.summary)}\n\nUsage: ${usage}\n\n${renderFlags(command.flags)}\n${EXIT_STATUS_HELP}`,
  );
  return EXIT_OK;
}

/** The list of commands, as it stands in the program's own help. */
export function renderCommands(commands: readonly Command[]): string {
  const heads = commands.map(({ name, usage }) => `  ${name} ${usage}`.trimEnd());
  const width = Math.max(...heads.map((head) => head.length)) + 2;
  const lines = commands.map(({ summary }, i) => `${(heads[i] ?? "").padEnd(width)}${summary}`);
  return `Commands:\n${lines.join("\n")}\n`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
