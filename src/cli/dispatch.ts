import { printable, truncate } from "../base/log-text.ts";
import { renderFlags } from "../server/flags-help.ts";
import { quoted, UsageError } from "../server/flags-kinds.ts";
import { nearest } from "../server/flags-parse.ts";
import { clearCommand } from "./clear.ts";
import { completionCommand, createCompleteCommand } from "./completion/command.ts";
import { describeCommand } from "./describe.ts";
import { explainCommand } from "./explain.ts";
import { describeFailure } from "./failure.ts";
import { getCommand } from "./get.ts";
import { healthcheckCommand } from "./healthcheck.ts";
import { commandHelp, EXIT_STATUS_HELP, PROGRAM, renderCommands } from "./help.ts";
import { type Command, type CommandIo, EXIT_OK } from "./io.ts";
import { nvmlHostCommand } from "./nvml-host.ts";
import { createPrepareSocketDirCommand } from "./prepare-socket-dir.ts";
import { providerCommand } from "./provider.ts";
import { createServeCommand, type ServeHost } from "./serve.ts";
import { simulateCommand } from "./simulate.ts";
import { statusCommand } from "./status.ts";
import { versionCommand } from "./version.ts";
import { watchCommand } from "./watch.ts";

/** Runs the command that the arguments name, and answers with the exit status; a failure is one line. */
export async function dispatch(args: readonly string[], io: CommandIo, host: ServeHost): Promise<number> {
  const serve = createServeCommand(host);
  const reading = [getCommand, describeCommand, watchCommand, statusCommand, explainCommand];
  const operating = [clearCommand, providerCommand, simulateCommand];
  const clients = [...reading, ...operating, healthcheckCommand, completionCommand, versionCommand];
  const commands = [serve, ...clients, createPrepareSocketDirCommand(host.facts.uid)];
  try {
    const [first, ...rest] = args;
    if (first === undefined || first.startsWith("-")) {
      return isHelp(first) ? await programHelp(commands, serve, io) : await runServe(serve, args, commands, io);
    }
    // Called by programs, and of no use to people.
    const hidden = [nvmlHostCommand, createCompleteCommand(commands)].find(({ name }) => name === first);
    if (hidden !== undefined) return await hidden.run(rest, io);
    if (first === "help") return await help(rest[0], commands, serve, io);
    return await find(first, commands).run(rest, io);
  } catch (error) {
    const { line, status } = describeFailure(error);
    await io.complain(`${PROGRAM}: ${line}`);
    return status;
  }
}

/** Without a command it is serve; a command that comes after its flags would otherwise be a mystery. */
async function runServe(serve: Command, args: readonly string[], commands: readonly Command[], io: CommandIo) {
  try {
    return await serve.run(args, io);
  } catch (error) {
    const late = args.find((arg) => commands.some(({ name }) => name === arg));
    if (!(error instanceof UsageError) || late === undefined) throw error;
    const example = printable(`${PROGRAM} ${late} ${truncate(args[0] ?? "", 40)} …`);
    throw new UsageError(`${error.message}. Flags come after the command, as in: ${example}`);
  }
}

function isHelp(argument: string | undefined): boolean {
  return argument === "-h" || argument === "-help" || argument === "--help";
}

function find(name: string, commands: readonly Command[]): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const near = nearest(name, ["help", ...commands.map((candidate) => candidate.name)]);
  throw new UsageError(
    `unknown command ${quoted(name)}${near === undefined ? "." : `; did you mean ${near}?`} See ${PROGRAM} help`,
  );
}

async function help(name: string | undefined, commands: readonly Command[], serve: Command, io: CommandIo) {
  return name === undefined ? await programHelp(commands, serve, io) : await commandHelp(find(name, commands), io);
}

async function programHelp(commands: readonly Command[], serve: Command, io: CommandIo): Promise<number> {
  await io.print(`Serves the state of this node's GPUs over gRPC: consumers read and watch, providers report health.

Usage: ${PROGRAM} [COMMAND] [flags]

${renderCommands(commands)}
Flags of serve (--name=value or --name value; a flag wins over its variable; "${PROGRAM} help COMMAND" shows others).

${renderFlags(serve.flags)}
${EXIT_STATUS_HELP}`);
  return EXIT_OK;
}
