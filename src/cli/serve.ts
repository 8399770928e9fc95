import { systemScheduler } from "../base/clock.ts";
import { createLogWriter } from "../base/log-writer.ts";
import type { ServerIo, StopSignal } from "../server/app.ts";
import { type Config, createConfig } from "../server/config.ts";
import type { HostFacts } from "../server/config-values.ts";
import { SERVE_FLAGS } from "../server/flags.ts";
import { quoted, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { commandHelp } from "./help.ts";
import type { Command, CommandIo } from "./io.ts";
import { createLineSink, type LineStream } from "./log-sink.ts";
import { printVersion } from "./version.ts";

export interface ServeHost {
  /** Resolves to the exit status when the server has stopped. */
  readonly runServer: (config: Config, io: ServerIo) => Promise<number>;
  readonly facts: HostFacts;
  /** How to start this program again. */
  readonly self: ServerIo["self"];
  readonly random: () => number;
  /** Where the log goes. */
  readonly logStream: LineStream;
  /** From now on, faults that nobody caught come here instead of ending the process. */
  onFault(listener: (error: unknown) => void): void;
}

export function createServeCommand(host: ServeHost): Command {
  const command: Command = {
    name: "serve",
    usage: "",
    summary: "run the server; the default where no command is given",
    flags: SERVE_FLAGS,
    run,
  };

  async function run(args: readonly string[], io: CommandIo): Promise<number> {
    const { values, positionals } = parseFlags(SERVE_FLAGS, args, io.env);
    if (values.help) return await commandHelp(command, io);
    if (values.version) return await printVersion("text", io);
    if (positionals[0] !== undefined) throw new UsageError(describeStray(positionals[0]));
    const config = createConfig(values, host.facts, io.version);
    const onDropped = (lines: number) => log.warn("log lines were dropped: nobody read them", { lines });
    const sink = createLineSink(host.logStream, onDropped);
    const log = createLogWriter({ ...config.log, clock: io.clock, sink });
    host.onFault((error) => log.error("a fault that nobody caught", describeFault(error)));
    const onSignal = (listener: (signal: StopSignal) => void) => io.onSignal(listener);
    const { self, random } = host;
    return await host.runServer(config, { log, clock: io.clock, scheduler: systemScheduler, random, self, onSignal });
  }
  return command;
}

function describeStray(argument: string): string {
  const bool = argument === "true" || argument === "false";
  return `unexpected argument ${quoted(argument)}${bool ? "; write it as --flag=value" : ""}. See --help`;
}

function describeFault(error: unknown): { readonly error: string; readonly stack?: string } {
  if (!(error instanceof Error)) return { error: String(error) };
  return error.stack === undefined ? { error: error.message } : { error: error.message, stack: error.stack };
}
