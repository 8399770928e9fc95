import type { Clock } from "../base/clock.ts";
import type { StopSignal } from "../server/app.ts";
import type { Environment } from "../server/flags-parse.ts";

/** What a command has of the process. */
export interface CommandIo {
  readonly env: Environment;
  readonly clock: Clock;
  /** The version of this build. */
  readonly version: string;
  /** Resolves when the text has been taken; false where nobody reads any more. Rejects where it cannot be written. */
  print(text: string): Promise<boolean>;
  /** One line on standard error. */
  complain(line: string): Promise<boolean>;
  /** From now on the first SIGTERM or SIGINT comes here instead of ending the process; a second one ends it at once. */
  onSignal(listener: (signal: StopSignal) => void): void;
}

/** What every command ends with. Shown by --help. */
export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
export const EXIT_UNREACHABLE = 3;

export interface Command {
  readonly name: string;
  /** Arguments, as in "NAME --xid N". */
  readonly usage: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The flags, as --help shows them. */
  readonly flagHelp: () => string;
  run(args: readonly string[], io: CommandIo): Promise<number>;
}
